"""`hack/bench scale`, small enough for a test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

KEYS = [
    "infrastructure",
    "n",
    "ready_seconds",
    "floor_seconds",
    "ratio",
    "p50_seconds",
    "p99_seconds",
    "requests_per_workspace",
    "cpu_seconds",
    "peak_mb",
    "above_imports_mb",
]


@pytest.mark.timeout(600)
def test_a_quick_run_finds_a_figure_for_everything() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hack.benchmarks.scale", "--quick"],
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    instant, pools = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [list(instant), list(pools)] == [KEYS, KEYS]
    assert [(each["infrastructure"], each["n"]) for each in (instant, pools)] == [
        *(("instant", 3), ("pools", 1)),
    ]
    assert [key for key in KEYS[1:] if not (instant[key] > 0 and pools[key] > 0)] == []
    assert min(pools["ready_seconds"], pools["floor_seconds"]) > 5
