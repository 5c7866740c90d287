"""Each way in which the cloud is known to fail has its stories; the table is the contract's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.virtual import plans
from tests.virtual.cases import CASES, NEXT_CASES, OPEN_CASES, named
from tests.virtual.refusals import REFUSALS

pytestmark = pytest.mark.timeout(120)

STORIES: Mapping[str, Sequence[str]] = {
    "SKU not allowed in region": ("fair/UNSOLD", "fair/UNSOLD~", "turns/UNSOLD"),
    "quota, at once": ("refused/CREATE/quota/1", "refused/DELETE/quota/3"),
    "quota, in the operation": ("refused/CREATE/quota-later/1", "refused/REGRET/cores-later/3"),
    "capacity": ("fair/SOLD_OUT", "refused/CREATE/allocation/3"),
    "capacity, zonal": ("refused/CREATE/zonal/1",),
    "capacity, overconstrained": ("refused/CREATE/overconstrained/1",),
    "capacity, overconstrained zone": ("refused/CREATE/constrained-zone/1",),
    "capacity, size not available": ("fair/WITHDRAWN", "fair/WITHDRAWN~", "turns/WITHDRAWN"),
    "conflict": ("refused/CREATE/conflict/3", "refused/DELETE/conflict-going/3"),
    "conflict, create in progress": ("refused/CREATE/creating/3",),
    "throttling": ("refused/CREATE/throttle/3", "refused/DELETE/throttle-going/3"),
    "throttling of lists": ("refused/CREATE/throttle-list/3",),
    "no right": ("refused/CREATE/denied/1", "refused/CREATE/denied-list/3"),
    "trouble of its own": ("refused/CREATE/unavailable/3", "refused/CREATE/unavailable-list/3"),
    "throttling, longer than a minute": ("refused/CREATE/throttle-long/1",),
}
"""Stories of each row in which the cloud has to say no."""

CRASHES: Mapping[str, tuple[str, str]] = {
    "crash mid-create": ("CREATE", "PUT pool/"),
    "crash mid-create, deleted meanwhile": ("AGAIN", "PUT pool/"),
    "crash mid-delete": ("DELETE", "DELETE pool/"),
}
"""Workload, and the request at which a process dies."""

SILENCE = ("fair/NODELESS", "fair/NODELESS~", "turns/NODELESS")
"""Stories of the row "node never joins"."""


@pytest.mark.parametrize("row", STORIES)
def test_a_failure_of_the_cloud_is_met_and_comes_right_or_is_told(row: str) -> None:
    verdicts = {plan: plans.verdict(plan) for plan in STORIES[row]}

    assert [(plan, each.violations) for plan, each in verdicts.items() if each.violations] == []
    assert [plan for plan, each in verdicts.items() if not each.met] == []


@pytest.mark.parametrize("row", CRASHES)
def test_a_crash_in_the_middle_of_a_request_is_one_of_the_points(row: str) -> None:
    name, request = CRASHES[row]
    case = named(name)
    made = plans.requests(case).made
    fatal = [number for number, each in enumerate(made) if each.what.startswith(request)]
    stories = [f"killed/{name}/{number}" for number in fatal]

    assert stories
    assert set(stories) <= set(plans.kills(case))
    assert list(plans.failures(stories)) == []


@pytest.mark.parametrize("plan", SILENCE)
def test_a_machine_whose_node_never_joins_is_told_and_given_back(plan: str) -> None:
    verdict = plans.verdict(plan)

    assert verdict.violations == []
    assert not any(" nodes " in change for change in verdict.trace)


def test_every_way_of_saying_no_is_among_the_enumerated_stories() -> None:
    enumerated = {plan for case in OPEN_CASES for plan in plans.refusals(case)}
    told = {plan for row in STORIES.values() for plan in row if plan.startswith("refused/")}
    names = {case.name for case in (*CASES, *NEXT_CASES)}

    assert told <= enumerated
    assert {plan.split("/")[2] for plan in told} == set(REFUSALS)
    assert {named(plan.split("/")[1]).workload.name for plan in SILENCE} <= names
