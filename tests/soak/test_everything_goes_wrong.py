"""Every crash point, every stale cache, every unseen change, and a thousand seeds."""

from __future__ import annotations

import pytest

from tests.virtual import process, replay, story
from tests.virtual.weather import Calls

SEEDS = 1000
BATCH = 25

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("workload", story.Workload)
def test_a_process_may_be_killed_after_any_call(workload: story.Workload) -> None:
    calls = Calls()
    story.played(workload, story.killed(calls))
    # From the last change on, there are only looks at what does not change any more.
    last = max(n for n, what in enumerate(calls.done) if not what.startswith(("GET", "WATCH")))
    failed = {}
    for fatal in range(last + 1):
        verdict = story.played(workload, story.killed(Calls(fatal)))
        if verdict.violations:
            failed[f"{fatal} ({calls.done[fatal]})"] = verdict.violations

    assert failed == {}


@pytest.mark.parametrize("relists", [False, True], ids=["late", "unseen"])
@pytest.mark.parametrize("name", process.NAMES)
@pytest.mark.parametrize("workload", story.Workload)
def test_caches_may_stand_still_at_any_version(
    workload: story.Workload, name: str, *, relists: bool
) -> None:
    failed = {}
    for version in story.played(workload, story.fair).versions:
        verdict = story.played(workload, story.fog(name, version, relists=relists))
        if verdict.violations:
            failed[version] = verdict.violations

    assert failed == {}


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_faults_that_stop_leave_no_trace(first: int) -> None:
    assert replay.failures(range(first, first + BATCH)) == []
