"""Measure the engine beside kopf; the last line is JSON.

Progress goes to stderr. A whole run takes about six minutes and writes the page in docs/ anew. The
exit status is 1 when the engine has lost an object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from operator import methodcaller
from pathlib import Path

from hack.benchmarks.engine.cases import QUICK, Bench, Found, Row, Scale
from hack.benchmarks.engine.operators import OWN, Imports, Silent, System
from hack.benchmarks.engine.page import Facts, page
from hack.cluster.cache import cache_folder
from hack.environments import NotInstalled, Sources, ensure

PAGE = Path("docs/reference/benchmarks.md")
Case = Callable[[Bench], Awaitable[Found]]


@dataclass(slots=True)
class Report:
    """All that was found.

    Attributes:
        rows: one for each case and system.
        imports: what each system's imports cost, at their quickest.
    """

    rows: list[Row] = field(default_factory=list)
    imports: dict[str, Imports] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        """Take in a case."""
        row, imports = found
        _say(f"{row.case} {row.system}: {_figures(row)}")
        self.rows.append(row)
        if imports:
            best = self.imports.setdefault(row.system, imports)
            self.imports[row.system] = min(best, imports, key=lambda each: each.seconds)

    def has_loss(self) -> bool:
        """Whether the engine has lost an object."""
        return any(row.lost for row in self.rows if row.system == OWN.name)


def named(scale: Scale) -> Iterator[tuple[str, int, Case]]:
    """The cases that are run one system after the other: name, objects, and what to do."""
    for count in scale.objects:
        yield f"start-{count}", count, methodcaller("start", count)
    yield f"nodes-{scale.nodes}", scale.nodes, Bench.nodes
    for fault in (Bench.drop, Bench.gone, Bench.errors, Bench.throttles):
        yield fault.__name__, scale.fault_objects, fault


async def found(bench: Bench, name: str, count: int, case: Case) -> Found:
    """What a case finds; an operator that has died has lost everything."""
    try:
        return await case(bench)
    except Silent as failure:
        _say(f"{name} {bench.system.name}: {failure}; see the log")
        row = Row(case=name, system=bench.system.name, objects=count, lost=count)
        return row, None


async def measured(systems: Sequence[System], scale: Scale, wanted: Sequence[str]) -> Report:
    """Run the cases that are wanted; all, if none is named."""
    report = Report()
    logs = cache_folder() / "bench-logs"
    logs.mkdir(parents=True, exist_ok=True)
    _say(f"the operators' logs are in {logs}")
    benches = [Bench(system, scale, logs) for system in systems]
    for name, count, case in named(scale):
        for bench in benches if not wanted or name in wanted else ():
            report.add(await found(bench, name, count, case))
    if "frozen" in wanted or not (wanted or scale is QUICK):
        _say("frozen: this takes a minute and a half")
        what = ("frozen", scale.fault_objects, Bench.frozen)
        for each in await asyncio.gather(*(found(bench, *what) for bench in benches)):
            report.add(each)
    return report


def main() -> int:
    """Measure, and print what was found."""
    asked = _parser().parse_args()
    scale = QUICK if asked.quick else Scale()
    try:
        systems = _systems(asked.system)
    except NotInstalled as failure:
        _say(f"kopf: {failure}; --system kaito measures the engine alone")
        return 2
    report = asyncio.run(measured(systems, scale, asked.case))
    facts = Facts(_versions(systems), report.imports, scale.changes, scale.burst)
    is_whole = not (asked.quick or asked.case or asked.system)
    if asked.page or is_whole:
        text = page(report.rows, facts, today=datetime.now(UTC).date())
        Path(asked.page or PAGE).write_text(text)
    imports = {
        name: {"seconds": round(each.seconds, 2), "resident_mb": round(each.resident_mb, 1)}
        for name, each in report.imports.items()
    }
    whole = {"benchmark": "engine", "versions": facts.versions, "imports": imports}
    print(json.dumps({**whole, "rows": [asdict(row) for row in report.rows]}))
    return 1 if report.has_loss() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hack/bench engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few objects, to see that it works")
    parser.add_argument("--system", choices=("kaito", "kopf"), help="only this one")
    names = [name for name, _, _ in named(Scale())]
    parser.add_argument("--case", action="append", choices=(*names, "frozen"), default=[])
    parser.add_argument("--page", help=f"write the page here; a whole run writes {PAGE}")
    return parser


def _systems(only: str | None) -> Sequence[System]:
    """What is measured; kopf is installed for this alone."""
    systems = (OWN, System("kopf", cache_folder() / "bench/bin/python"))
    chosen = [system for system in systems if only in (None, system.name)]
    if any(system is not OWN for system in chosen):
        with redirect_stdout(sys.stderr):
            ensure("bench", cache_folder(), Sources.read(os.environ))
    return chosen


def _versions(systems: Sequence[System]) -> dict[str, str]:
    """Of what was measured, and of what it runs on."""
    found = {"Python": platform.python_version(), "aiohttp": version("aiohttp")}
    for system in systems:
        if system is not OWN:
            code = f"from importlib.metadata import version; print(version({system.name!r}))"
            command = [str(system.python), "-c", code]
            told = subprocess.run(command, capture_output=True, text=True, check=True)
            found[system.name] = told.stdout.strip()
    return found


def _figures(row: Row) -> str:
    measured = {name: value for name, value in asdict(row).items() if value is not None}
    return " ".join(f"{name}={value}" for name, value in list(measured.items())[2:])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
