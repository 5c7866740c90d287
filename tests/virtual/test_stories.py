"""Both controllers in virtual time: every workload, in fair weather and in foul.

What must hold is in `tests.virtual.invariants`. A plan that fails says how to see it again; all
of them are the ring tests/soak.
"""

from __future__ import annotations

import pytest

from tests.virtual import plans
from tests.virtual.story import Workload

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("workload", Workload)
@pytest.mark.parametrize("kind", ["fair", "turns", "next"])
def test_every_workload_ends_as_the_user_wants(workload: Workload, kind: str) -> None:
    assert list(plans.failures([f"{kind}/{workload.name}"])) == []


@pytest.mark.parametrize("plan", ["seed/6", "seed/7"])
def test_a_plan_makes_the_same_run_again(plan: str) -> None:
    assert plans.verdict(plan).trace == plans.verdict(plan).trace


@pytest.mark.parametrize("workload", Workload)
def test_a_process_may_be_killed(workload: Workload) -> None:
    assert list(plans.failures(plans.kills(workload)[::40])) == []


@pytest.mark.parametrize("workload", Workload)
def test_caches_may_stand_still(workload: Workload) -> None:
    assert list(plans.failures(plans.standstills(workload)[::30])) == []


@pytest.mark.parametrize("workload", Workload)
def test_changes_may_be_missed(workload: Workload) -> None:
    assert list(plans.failures(plans.gaps(workload)[::25])) == []


@pytest.mark.parametrize("workload", [Workload.CREATE, Workload.AGAIN])
def test_a_leader_may_be_lost_with_a_write_under_way(workload: Workload) -> None:
    assert list(plans.failures(plans.strikes(workload)[::35])) == []


@pytest.mark.parametrize("seed", range(12))
def test_faults_that_stop_leave_no_trace(seed: int) -> None:
    assert list(plans.failures(plans.seeds(seed, seed + 1))) == []


def test_i8_a_server_that_is_down_is_asked_ever_more_seldom() -> None:
    assert list(plans.failures(["outage/CREATE"])) == []
