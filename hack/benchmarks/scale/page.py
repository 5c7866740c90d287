"""The page in docs/ that says what was found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date

from hack.benchmarks.engine.page import machine
from hack.benchmarks.scale.rows import MANY, RUNS, Row

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
each run, on {machine}, which they share with everything that is measured;
{load:.1f} other processes wanted a processor when it began. Each figure is the median of {runs}
runs, ours and the floor's in turn; those of {many:,} workspaces come of one. The aim is of a time,
or of the ratio.

- `instant`: machines are Ready, and pods run, as soon as they are seen.
- `pools`: each machine is a pool of the ARM server, which takes five seconds; the provisioner sees
  to it. The floor asks for the same pools, without a provisioner.
- Requests, CPU and memory are those of the workspace controller until it sends nothing more: its
  Events, which let other requests go first, are included.
"""
AIM_SECONDS, AIM_RATIO, SOME = 0.3, 1.3, 20
"""One workspace is to be ready within the first, that many and more within the second."""
_BEYOND: Mapping[str, str] = {
    "instant": (
        "the controller stores a finalizer and writes an Event for each, and reads what it"
        " watches, on processors that the API server wants as well; the floor does none of that"
    ),
    "pools": (
        "the provisioner writes each stage of a Machine where all can see it, and takes the"
        " taints off its node: about ten requests for each, and the floor sends none of them"
    ),
}
"""What keeps a row above the aim."""
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
    figures = [[*(getattr(row, name) for name in names), aim(row)] for row in rows]
    titles = [name.replace("_seconds", ", s").replace("_mb", ", MiB") for name in names]
    head = [*(title.replace("_", " ") for title in titles), "aim"]
    table = [head, ["---"] * len(head), *figures]
    floors = {row.n: row.floor_seconds for row in rows if row.infrastructure == "instant"}
    beside = [(n, *found, floors[n]) for n, found in UPSTREAM.items() if n in floors]
    return "".join(
        (
            _HEAD.format(date=today, machine=machine(), load=load, runs=RUNS, many=MANY),
            "\n",
            _lines(table),
            _beyond(rows),
            _UPSTREAM if beside else "",
            _lines(beside),
        )
    )


def aim(row: Row) -> str:
    """What a row is to reach; "" where nothing is asked of it."""
    if row.n >= SOME:
        return f"≤ {AIM_RATIO} x"
    return f"≤ {AIM_SECONDS} s" if row.infrastructure == "instant" and row.n == 1 else ""


def _beyond(rows: Iterable[Row]) -> str:
    """A sentence for each infrastructure that has rows above the aim."""
    above: dict[str, list[str]] = {}
    for row in rows:
        if row.n >= SOME and row.ratio > AIM_RATIO:
            above.setdefault(row.infrastructure, []).append(f"{row.n:,}")
    said = (
        textwrap.fill(f"Above the aim, `{where}` with {', '.join(counts)}: {_BEYOND[where]}.", 100)
        for where, counts in above.items()
    )
    return "".join(f"\n{each}\n" for each in said)


def _lines(rows: Iterable[Iterable[object]]) -> str:
    return "".join(f"| {' | '.join(map(_cell, cells))} |\n" for cells in rows)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
