"""Both controllers in virtual time: every workload, in fair weather and in foul.

What must hold is in `tests.virtual.invariants`. A seed that fails says how to see it again; a
thousand of them, every crash point and every stale cache are the ring tests/soak.
"""

from __future__ import annotations

import pytest

from tests.virtual import process, replay, story

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("workload", story.Workload)
def test_every_workload_ends_as_the_user_wants(workload: story.Workload) -> None:
    verdict = story.played(workload, story.fair)

    assert verdict.violations == []


def test_a_seed_makes_the_same_run_again() -> None:
    assert replay.replayed(5).trace == replay.replayed(5).trace


@pytest.mark.parametrize("seed", range(24))
def test_faults_that_stop_leave_no_trace(seed: int) -> None:
    assert replay.failures([seed]) == []


@pytest.mark.parametrize("name", process.NAMES)
def test_a_cache_that_stands_still_costs_nothing_but_time(name: str) -> None:
    verdict = story.played(story.Workload.AGAIN, story.fog(name, 106, relists=True))

    assert verdict.violations == []
