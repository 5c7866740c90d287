"""The page in docs/ that says what was found."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hack.benchmarks.engine import job
from hack.benchmarks.engine.cases import Row
from hack.benchmarks.engine.operators import Imports

_HEAD = """# The engine beside kopf

Written by `hack/bench engine` on {date}. Do not edit.

One operator with one custom Kind: it lists and watches all objects of the cluster, and writes to
each a status that follows from its spec. *Settled*: each object has its status. Both operators are
processes of their own, over plain HTTP, with their logs on and the engine's metrics as well; the
API server is in memory, a third process. Time, CPU and memory count from the end of imports.

- Machine: {machine}
- Versions: {versions}
- kopf as its documentation has it for a whole cluster (`clusterwide`, `standalone`; resume, create
  and update handlers), all settings at their defaults. Its record of each object is an annotation,
  which is a second write for each status.
- The engine as in `kaito` and `provisioner`, with `--workers={workers}`.
- Imports: {imports}
"""
_START = """
## Coming up, changing, idle

Stall: the longest that the event loop stood still until settled. Change to status: {changes}
changes at 50 a second, from a new spec that is stored until its status is stored; they begin when
the operator has come to rest. Idle: share of one processor when nothing changes.
"""
_FAULTS = """
## When something goes wrong

{objects} objects; {burst} change at once, right after the fault begins. Recovered: from the fault
until each of them has its status.

- `drop`: the connections of watches are cut.
- `gone`: the watch misses the changes, and then its version is gone (410); counted from there.
- `errors`, `throttles`: one request in five is answered with 500, or with 429 and `Retry-After: 1`.
- `frozen`: the watch stays open and says nothing more.
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands around the figures.

    Attributes:
        versions: of what was measured, by name.
        imports: what each system's imports cost.
        changes: whose latency was measured.
        burst: changes that met a fault.
    """

    versions: Mapping[str, str]
    imports: Mapping[str, Imports]
    changes: int
    burst: int


_Column = tuple[str, Callable[[Row], object]]
_WHO: Sequence[_Column] = (("objects", lambda row: row.objects), ("system", lambda row: row.system))
_USED: Sequence[_Column] = (
    ("settled, s", lambda row: row.settled_seconds),
    ("CPU, s", lambda row: row.cpu_seconds),
    ("peak, MiB", lambda row: row.peak_mb),
    ("above imports, MiB", lambda row: row.above_imports_mb),
    ("stall, ms", lambda row: row.stall_ms),
)
_THEN: Sequence[_Column] = (
    ("change to status p50, ms", lambda row: row.p50_ms),
    ("p99, ms", lambda row: row.p99_ms),
    ("idle, %", lambda row: row.idle_cpu_percent),
    ("lost", lambda row: row.lost),
)
_RECOVERED: Sequence[_Column] = (
    ("fault", lambda row: f"`{row.case}`"),
    ("system", lambda row: row.system),
    ("recovered, s", lambda row: row.recovery_seconds),
    ("lost", lambda row: row.lost),
)


def page(rows: Sequence[Row], facts: Facts, *, today: date) -> str:
    """The text of the page."""
    start = [row for row in rows if row.case.startswith("start-")]
    nodes = [row for row in rows if row.case.startswith("nodes-")]
    faults = [row for row in rows if row not in (*start, *nodes)]
    objects = faults[0].objects if faults else 0
    return "".join(
        (
            _HEAD.format(
                date=today,
                machine=machine(),
                versions=", ".join(f"{name} {text}" for name, text in facts.versions.items()),
                workers=job.WORKER_COUNT,
                imports="; ".join(_imports(*pair) for pair in facts.imports.items()),
            ),
            _START.format(changes=facts.changes),
            _table((*_WHO, *_USED, *_THEN), start),
            "\n## Listing Nodes of 9 KB\n",
            _table((*_WHO, *_USED), nodes),
            _FAULTS.format(objects=objects, burst=facts.burst),
            _table(_RECOVERED, faults),
        )
    )


def machine() -> str:
    """This machine in generic words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, {platform.system()}"


def _imports(system: str, imports: Imports) -> str:
    return f"{system} {imports.seconds:.2f} s, {imports.resident_mb:.0f} MiB"


def _table(columns: Sequence[_Column], rows: Iterable[Row]) -> str:
    names = [name for name, _ in columns]
    lines = [names, ["---"] * len(names), *([_cell(of(row)) for _, of in columns] for row in rows)]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
