"""Every crash point, every stale cache, every unseen change, every lost leader, a thousand seeds.

How a plan is named, and what counts as one, is told in `tests.virtual.plans`; what must hold, in
`tests.virtual.invariants`.
"""

from __future__ import annotations

import pytest

from tests.soak.crew import Crew
from tests.virtual import plans
from tests.virtual.story import Workload

SEEDS = 1000
BATCH = 100

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("workload", Workload)
def test_a_process_may_be_killed_after_any_request(workload: Workload, players: Crew) -> None:
    assert players.failures(plans.kills(workload)) == []


@pytest.mark.parametrize("workload", Workload)
def test_caches_may_stand_still_at_any_version(workload: Workload, players: Crew) -> None:
    assert players.failures(plans.standstills(workload)) == []


@pytest.mark.parametrize("workload", Workload)
def test_any_change_may_be_missed(workload: Workload, players: Crew) -> None:
    assert players.failures(plans.gaps(workload)) == []


@pytest.mark.parametrize("workload", Workload)
def test_the_cloud_may_refuse_anything_for_a_while(workload: Workload, players: Crew) -> None:
    assert players.failures(plans.refusals(workload)) == []


@pytest.mark.parametrize("workload", [Workload.CREATE, Workload.AGAIN])
def test_the_leader_may_be_lost_with_any_write_under_way(workload: Workload, players: Crew) -> None:
    assert players.failures(plans.strikes(workload)) == []


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_faults_that_stop_leave_no_trace(first: int, players: Crew) -> None:
    assert players.failures(plans.seeds(first, first + BATCH)) == []
