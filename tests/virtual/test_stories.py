"""Both controllers in virtual time: every workload, in fair weather and in foul.

What must hold is in `tests.virtual.invariants`. A plan that fails says how to see it again; all
of them are the ring tests/soak.
"""

from __future__ import annotations

import pytest

from tests.virtual import plans
from tests.virtual.cases import CASES, NEXT_CASES, Case, named

pytestmark = pytest.mark.timeout(120)

LED = [named("CREATE"), named("AGAIN")]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
@pytest.mark.parametrize("kind", ["fair", "turns"])
def test_every_workload_ends_as_the_user_wants(case: Case, kind: str) -> None:
    assert list(plans.failures([f"{kind}/{case.name}"])) == []


@pytest.mark.parametrize("plan", ["seed/6", "seed/7"])
def test_a_plan_makes_the_same_run_again(plan: str) -> None:
    assert plans.verdict(plan).trace == plans.verdict(plan).trace


@each_case
def test_a_process_may_be_killed(case: Case) -> None:
    assert list(plans.failures(plans.kills(case)[::40])) == []


@each_case
def test_caches_may_stand_still(case: Case) -> None:
    assert list(plans.failures(plans.standstills(case)[::30])) == []


@each_case
def test_changes_may_be_missed(case: Case) -> None:
    assert list(plans.failures(plans.gaps(case)[::25])) == []


@pytest.mark.parametrize("case", LED)
def test_a_leader_may_be_lost_with_a_write_under_way(case: Case) -> None:
    assert list(plans.failures(plans.strikes(case)[::35])) == []


@pytest.mark.parametrize("seed", range(12))
def test_faults_that_stop_leave_no_trace(seed: int) -> None:
    assert list(plans.failures(plans.seeds(seed, seed + 1))) == []


def test_a_server_that_is_down_is_asked_ever_more_seldom() -> None:
    todo = [f"outage/{case.name}" for case in (*CASES, *NEXT_CASES)]
    assert list(plans.failures(todo)) == []
