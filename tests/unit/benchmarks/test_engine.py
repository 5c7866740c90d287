"""`hack/bench engine`, small enough for a test, and what it makes of its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from hack.benchmarks.engine import job
from hack.benchmarks.engine.__main__ import Report, found
from hack.benchmarks.engine.cases import QUICK, Bench, Row
from hack.benchmarks.engine.operators import Imports, System
from hack.benchmarks.engine.page import Facts, page

IMPORTS = Imports(at=0, cpu_seconds=1, resident_mb=90, peak_mb=90, stall_ms=0, seconds=0.5)
KEYS = [
    *("case", "system", "objects", "settled_seconds", "cpu_seconds", "peak_mb"),
    *("above_imports_mb", "stall_ms", "p50_ms", "p99_ms", "idle_cpu_percent"),
    *("recovery_seconds", "lost"),
]


@pytest.mark.timeout(500)
def test_a_quick_run_measures_each_case_and_loses_nothing(tmp_path: Path) -> None:
    options = ("--quick", "--system", "kaito", "--page", str(tmp_path / "page.md"))

    done = subprocess.run(
        [sys.executable, "-m", "hack.benchmarks.engine", *options],
        capture_output=True,
        text=True,
        check=True,
    )

    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    start, nodes, *faults = rows
    assert [row["case"] for row in rows] == [
        *("start-50", "nodes-100", "drop", "gone", "errors", "throttles")
    ]
    assert [row for row in rows if list(row) != KEYS] == []
    assert [name for name in KEYS if start[name] is None] == ["recovery_seconds"]
    assert nodes["settled_seconds"] > 0
    assert [row["lost"] for row in faults] == [0, 0, 0, 0]
    assert None not in [row["recovery_seconds"] for row in faults]
    assert "| 50 | kaito |" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize(
    ("system", "lost", "fails"),
    [("kaito", 1, True), ("kaito", 0, False), ("kaito", None, False), ("kopf", 7, False)],
)
def test_only_an_object_that_the_engine_lost_fails_the_run(
    system: str, lost: int | None, *, fails: bool
) -> None:
    report = Report()

    report.add((Row(case="drop", system=system, objects=500, lost=lost), IMPORTS))

    assert report.has_loss() is fails


async def test_an_operator_that_dies_has_lost_everything(tmp_path: Path) -> None:
    system = System("kaito", Path("/bin/false"))
    bench = Bench(system, QUICK, tmp_path)

    row, imports = await found(bench, "drop", 50, Bench.drop)

    assert (row.case, row.system, row.lost) == ("drop", "kaito", 50)
    assert imports is None


def test_a_widget_is_settled_when_its_status_follows_from_its_spec() -> None:
    status = job.status(job.parts(3), 2)
    whole = {"metadata": {"generation": 2}, "spec": job.spec(3), "status": status}
    late = {**whole, "metadata": {"generation": 3}}
    wrong = {**whole, "spec": job.spec(4)}

    found = [job.is_settled(item) for item in (whole, late, wrong, {**whole, "status": None})]

    assert found == [True, False, False, False]


def test_the_page_has_a_dash_for_what_was_not_measured() -> None:
    rows = [
        Row(case="start-1000", system="kaito", objects=1000, settled_seconds=0.4, lost=0),
        Row(case="frozen", system="kopf", objects=500, lost=2),
    ]
    facts = Facts({"kopf": "1.45.2"}, {"kaito": IMPORTS}, changes=400, burst=50)

    text = page(rows, facts, today=date(2026, 1, 2))

    assert "on 2026-01-02" in text
    assert "kopf 1.45.2" in text
    assert "| 1,000 | kaito | 0.4 | - | - | - | - | - | - | - | 0 |" in text
    assert "| `frozen` | kopf | - | 2 |" in text
