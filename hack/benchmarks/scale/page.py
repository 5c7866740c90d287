"""The page in docs/ that says what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date

from hack.benchmarks.engine.page import machine
from hack.benchmarks.scale.rows import Row

UPSTREAM: Mapping[int, tuple[float, float]] = {
    1: (1.75, 0.13),
    100: (47.0, 5.5),
    300: (145.0, 21.0),
}
"""KAITO v0.12 (Go) on instant infrastructure, measured on a machine of two cores: seconds until
that many workspaces were ready, and its floor there."""

_HEAD = """# Many workspaces at once

Written by `hack/bench scale` on {date}. Do not edit.

Workspaces are created at once, on a real API server with etcd. Ready: each says so, and its pod
runs. The floor: a bare script makes the same objects through the same HTTP client, with as many
requests in flight, and checks nothing; it is timed to the same end. Servers are started anew for
each figure, on {machine}, which they share with everything that is measured;
{load:.1f} other processes wanted a processor when it began.

- `instant`: machines are Ready, and pods run, as soon as they are seen.
- `pools`: each machine is a pool of the ARM server, which takes five seconds; the provisioner sees
  to it. The floor asks for the same pools, without a provisioner.
- Requests, CPU and memory are those of the workspace controller until it sends nothing more: its
  Events, which let other requests go first, are included.
"""
_UPSTREAM = """
KAITO v0.12 (Go) on instant infrastructure, on another machine of two cores; it sent 14.5 requests
for each workspace, the floor 4. Its floor there and ours here say how far the machines differ.

| n | ready, s | its floor, s | our floor, s |
| --- | --- | --- | --- |
"""


def page(rows: Sequence[Row], *, today: date, load: float) -> str:
    """The text of the page.

    Args:
        rows: what was found.
        today: when.
        load: of the machine before it began: processes that ran or waited for a processor.
    """
    names = [each.name for each in fields(Row)]
    figures = [[getattr(row, name) for name in names] for row in rows]
    titles = [name.replace("_seconds", ", s").replace("_mb", ", MiB") for name in names]
    table = [[title.replace("_", " ") for title in titles], ["---"] * len(names), *figures]
    floors = {row.n: row.floor_seconds for row in rows if row.infrastructure == "instant"}
    beside = [(n, *found, floors[n]) for n, found in UPSTREAM.items() if n in floors]
    return "".join(
        (
            _HEAD.format(date=today, machine=machine(), load=load),
            "\n",
            _lines(table),
            _UPSTREAM if beside else "",
            _lines(beside),
        )
    )


def _lines(rows: Iterable[Iterable[object]]) -> str:
    return "".join(f"| {' | '.join(map(_cell, cells))} |\n" for cells in rows)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
