"""Both controllers in virtual time: every workload, in fair weather and in foul.

What must hold is in `tests.virtual.invariants`. A plan that fails says how to see it again; all
of them are the ring tests/soak.
"""

from __future__ import annotations

import pytest

from kaito.kube.errors import Unavailable
from kaito.kube.transport import Call
from tests.virtual import plans, process
from tests.virtual.door import PROMPT, Fate, Lateness
from tests.virtual.story import Script, Stage, Workload, played

pytestmark = pytest.mark.timeout(120)

BEGIN, END = 100.0, 3000.0
"""Of the outage, in seconds; nobody writes any more when it begins to be counted."""
CALM_SECONDS = 1200.0
MOST_A_SECOND = 0.3
"""Of one watch, at the end of a long outage."""


@pytest.mark.parametrize("workload", Workload)
@pytest.mark.parametrize("elects", [False, True], ids=["alone", "in-turns"])
def test_every_workload_ends_as_the_user_wants(workload: Workload, *, elects: bool) -> None:
    assert played(Script(workload, elects=elects)).violations == []


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


class Outage:
    """No API server for a while, and a count of who asks nevertheless."""

    def __init__(self, stage: Stage) -> None:
        self.asked: dict[str, int] = {}
        self._stage = stage

    def fate(self, what: str) -> Fate:
        """Refuse, and count what comes when the outage is old."""
        now = self._stage.timeline.now
        if not BEGIN < now < END or "pool/" in what:
            return Fate()
        if now > END - CALM_SECONDS:
            self.asked[what] = self.asked.get(what, 0) + 1
        return Fate(refusal=Unavailable(503, "ServiceUnavailable", "a fault"))

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Cut what was open."""
        return Lateness(breaks=True) if BEGIN < self._stage.timeline.now < END else PROMPT


def test_i8_a_server_that_is_down_is_not_hammered() -> None:
    weathers: dict[str, Outage] = {}

    verdict = played(
        Script(
            Workload.CREATE,
            lambda stage, life: weathers.setdefault(life.name, Outage(stage)),
        )
    )

    rates = {
        (name, what): count / CALM_SECONDS
        for name, outage in weathers.items()
        for what, count in outage.asked.items()
    }
    assert verdict.violations == []
    assert rates.keys() >= {
        (name, "WATCH /apis/karpenter.sh/v1alpha5/machines") for name in process.NAMES
    }
    assert {each: rate for each, rate in rates.items() if rate > MOST_A_SECOND} == {}
