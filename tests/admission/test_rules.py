"""The rules of the definition: what the API server refuses, and the controller says as well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from kaito.api.rule import broken
from kaito.api.workspace import Workspace
from tests.admission.cases import ACCEPTED, REFUSED, UNREADABLE, Case
from tests.admission.changes import FREE, FROZEN
from tests.admission.door import Door

SEEDS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in Path("manifests/examples").glob("*.yaml")
}
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Run a test for every case, under the case's own name."""
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.about)


def said_by_the_controller(case: Case) -> list[tuple[str, str]]:
    return list(broken(Workspace.model_validate(case.wire())))


@each(REFUSED)
async def test_what_breaks_a_rule_is_refused_with_field_and_remedy(door: Door, case: Case) -> None:
    refusal = await door.refusal(case.wire())

    assert case.said in refusal
    assert f"{case.blamed or '<nil>'}: Invalid value" in refusal.replace('""', "<nil>")


@each(REFUSED)
async def test_the_controller_says_the_servers_sentence(door: Door, case: Case) -> None:
    refusal = await door.refusal(case.wire())

    ((path, message),) = said_by_the_controller(case)
    assert path == case.blamed
    assert message in refusal


@each(UNREADABLE)
async def test_what_the_schema_forbids_never_reaches_a_rule(door: Door, case: Case) -> None:
    refusal = await door.refusal(case.wire())

    assert f"{case.blamed}: " in refusal
    assert case.said in refusal


@each(ACCEPTED)
async def test_what_is_right_is_admitted_and_the_controller_agrees(door: Door, case: Case) -> None:
    assert await door.refusal(case.wire()) == ""
    assert said_by_the_controller(case) == []


@each((*REFUSED, *ACCEPTED))
async def test_both_versions_have_the_same_rules(door: Door, case: Case) -> None:
    newer = {**case.wire(), "apiVersion": "kaito.sh/v1beta1"}

    assert await door.refusal(newer) == await door.refusal(case.wire())


@each(FROZEN)
async def test_a_change_that_would_leave_nodes_behind_is_refused(door: Door, case: Case) -> None:
    refusal = await door.refusal_of_change(case.base, case.wire())

    assert case.said in refusal
    assert RECREATED in refusal
    assert f"{case.blamed or '<nil>'}: Invalid value" in refusal.replace('""', "<nil>")


SPOILED = [
    case
    for case in REFUSED
    if case.blamed in {"inference.adapters", "tuning.output", "tuning.output.imagePushSecret"}
    and "template" not in case.about
]


@each(SPOILED)
async def test_what_may_change_may_not_change_for_the_worse(door: Door, case: Case) -> None:
    assert case.said in await door.refusal_of_change(case.base, case.wire())
    assert len(SPOILED) == 9


@each(FREE)
async def test_other_changes_are_admitted(door: Door, case: Case) -> None:
    assert await door.refusal_of_change(case.base, case.wire()) == ""


@pytest.mark.parametrize("seed", sorted(SEEDS))
async def test_a_quick_start_is_admitted_as_it_stands(door: Door, seed: str) -> None:
    wire = SEEDS[seed]

    assert await door.refusal(wire) == ""
    assert len(SEEDS) == 5
    assert list(broken(Workspace.model_validate(wire))) == []


RECREATED = "delete the Workspace and create it anew to change it"
