"""Every crash point, every stale cache, every unseen change, every lost leader, a thousand seeds.

How a plan is named, and what counts as one, is told in `tests.virtual.plans`; what must hold, in
`tests.virtual.invariants`.
"""

from __future__ import annotations

import pytest

from tests.soak.crew import Crew
from tests.virtual import plans
from tests.virtual.cases import NEXT_CASES, OPEN_CASES, POINT_CASES, Case, named

SEEDS = 1000
BATCH = 100

pytestmark = pytest.mark.timeout(3600)

LED = [named("CREATE"), named("AGAIN")]

each_case = pytest.mark.parametrize("case", [*POINT_CASES, *NEXT_CASES], ids=lambda case: case.name)


@each_case
def test_a_process_may_be_killed_after_any_request(case: Case, players: Crew) -> None:
    assert players.failures(plans.kills(case)) == []


@each_case
def test_caches_may_stand_still_at_any_version(case: Case, players: Crew) -> None:
    assert players.failures(plans.standstills(case)) == []


@each_case
def test_any_change_may_be_missed(case: Case, players: Crew) -> None:
    assert players.failures(plans.gaps(case)) == []


@pytest.mark.parametrize("case", OPEN_CASES, ids=lambda case: case.name)
def test_the_cloud_may_refuse_anything_for_a_while(case: Case, players: Crew) -> None:
    assert players.failures(plans.refusals(case)) == []


@pytest.mark.parametrize("case", LED, ids=lambda case: case.name)
def test_the_leader_may_be_lost_with_any_write_under_way(case: Case, players: Crew) -> None:
    assert players.failures(plans.strikes(case)) == []


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_faults_that_stop_leave_no_trace(first: int, players: Crew) -> None:
    assert players.failures(plans.seeds(first, first + BATCH)) == []
