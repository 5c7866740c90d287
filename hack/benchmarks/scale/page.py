"""The page in docs/ that says what was found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import NamedTuple

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
each run, on {machine}, which they share with everything that is measured;
{load:.1f} other processes wanted a processor when it began. {runs}
The aims are of a time or the ratio, of requests, and of memory above imports.

- `instant`: machines are Ready, and pods run, as soon as they are seen.
- `pools`: each machine is a pool of the ARM server, which takes five seconds; the provisioner sees
  to it. The floor asks for the same pools, without a provisioner.
- Requests, CPU and memory are those of the workspace controller until it sends nothing more: its
  Events, which let other requests go first, are included.
"""
AIM_SECONDS, AIM_RATIO, SOME = 0.3, 1.3, 20
"""One workspace is to be ready within the first, that many and more within the second."""
AIM_REQUESTS, AIM_MB, MANY = 8.0, 60.0, 1000
"""Of the workspace controller for each, and what so many workspaces may add to its imports."""
_BESIDE: Mapping[str, str] = {
    "instant": (
        "the controller stores a finalizer and writes an Event for each, and reads what it"
        " watches, on processors that the API server wants as well"
    ),
    "pools": (
        "five more writes to a Workspace and its Machine, which are finalizers and stages, and one"
        " to its node, by two controllers on processors that the API server wants as well"
    ),
}
"""What the floor does without."""
_UPSTREAM = """
KAITO v0.12 (Go) on instant infrastructure, on another machine of two cores; it sent 14.5 requests
for each workspace, the floor 4. Its floor there and ours here say how far the machines differ.

| n | ready, s | its floor, s | our floor, s |
| --- | --- | --- | --- |
"""


def page(rows: Sequence[Row], *, today: date, load: float, runs: int) -> str:
    """The text of the page.

    Args:
        rows: what was found.
        today: when.
        load: of the machine before it began: processes that ran or waited for a processor.
        runs: how often each row was measured.
    """
    names = [each.name for each in fields(Row)]
    figures = [[*(getattr(row, name) for name in names), _asked(row)] for row in rows]
    titles = [name.replace("_seconds", ", s").replace("_mb", ", MiB") for name in names]
    head = [*(title.replace("_", " ") for title in titles), "aim"]
    table = [head, ["---"] * len(head), *figures]
    floors = {row.n: row.floor_seconds for row in rows if row.infrastructure == "instant"}
    beside = [(n, *found, floors[n]) for n, found in UPSTREAM.items() if n in floors]
    return "".join(
        (
            _HEAD.format(date=today, machine=machine(), load=load, runs=_told(runs)),
            "\n",
            _lines(table),
            _missed(rows),
            _UPSTREAM if beside else "",
            _lines(beside),
        )
    )


def _told(runs: int) -> str:
    """Where a figure comes from."""
    if runs == 1:
        return "Each figure is of one run."
    return f"Each figure is the median of {runs} runs, ours and the floor's in turn."


class Aim(NamedTuple):
    """A bound for one figure of a row.

    Attributes:
        figure: what was found.
        most: what it is to be at most.
        unit: of both, as it stands behind a number.
    """

    figure: float
    most: float
    unit: str


def aims(row: Row) -> list[Aim]:
    """What a row is to reach."""
    found = []
    if row.n >= SOME:
        found.append(Aim(row.ratio, AIM_RATIO, "x"))
    if row.n == 1 and row.infrastructure == "instant":
        found.append(Aim(row.ready_seconds, AIM_SECONDS, "s"))
    found.append(Aim(row.requests_per_workspace, AIM_REQUESTS, "requests"))
    if row.n >= MANY:
        found.append(Aim(row.above_imports_mb, AIM_MB, "MiB"))
    return found


def _asked(row: Row) -> str:
    return ", ".join(f"≤ {aim.most:g} {aim.unit}" for aim in aims(row))


def _missed(rows: Iterable[Row]) -> str:
    """A line for each figure that is above its aim, and what the floor of such rows omits."""
    missed = [(row, aim) for row in rows for aim in aims(row) if aim.figure > aim.most]
    lines = [
        f"- `{row.infrastructure}` with {row.n:,}: {aim.figure:g} {aim.unit}, above {aim.most:g}\n"
        for row, aim in missed
    ]
    slow = dict.fromkeys(row.infrastructure for row, aim in missed if aim.unit == "x")
    beside = (
        f"\n{textwrap.fill(f'The floor of `{each}` does without this: {_BESIDE[each]}.', 100)}\n"
        for each in slow
    )
    return "".join(("\nAbove the aim:\n\n" if lines else "", *lines, *beside))


def _lines(rows: Iterable[Iterable[object]]) -> str:
    return "".join(f"| {' | '.join(map(_cell, cells))} |\n" for cells in rows)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
