"""An operator that buys nothing: what is missing is told, and labelling a node is enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kaito.api import labels
from kaito.api.reasons import TERMINAL, Reason
from kaito.controllers.workspace.check import check_spec
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.nodes import await_nodes
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status, verdict
from kaito.kube.kinds import Node
from kaito.settings import Settings
from tests.unit.controllers.workspace.worlds import acted, node, observed, workspace

ONLY_BROUGHT = Options(registry="", node_class=None)
WANTED = {"apps": "phi"}


def alone(*nodes: Node, **changes: Any) -> Observed:
    """A look at a workspace of an operator that buys nothing."""
    return observed(options=ONLY_BROUGHT, nodes=nodes, **changes)


def typeless() -> Observed:
    """The same, of a workspace that brings its own template and names no type."""
    held = observed().workspace.metadata.model_dump(by_alias=True)
    resource = {"labelSelector": {"matchLabels": WANTED}}
    made = workspace(
        metadata=held, resource=resource, inference={"template": {"spec": {"containers": []}}}
    )
    return alone(workspace=made)


def test_no_claim_is_made_and_what_is_missing_is_told_with_the_remedy() -> None:
    steps = plan(alone())

    assert ensure_claims(alone()).satisfied
    assert not any(step.actions for step in steps)
    assert verdict(steps).reason == Reason.NODES_NOT_READY
    assert verdict(steps).message == (
        "0 of 1 nodes are ready and carry apps=phi, and none is bought: add one, or"
        " `kubectl label node NODE apps=phi`"
    )


def test_it_ends_as_soon_as_a_node_is_labelled() -> None:
    assert Reason.NODES_NOT_READY not in TERMINAL
    assert await_nodes(alone(node(WANTED, name="n"))).satisfied


def of_type(name: str) -> Node:
    found = node(WANTED, name="n")
    carried = {**found.metadata.labels, labels.INSTANCE_TYPE: name}
    metadata = found.metadata.model_copy(update={"labels": carried})
    return found.model_copy(update={"metadata": metadata})


def cordoned() -> Node:
    found = node(WANTED, name="n")
    return found.model_copy(update={"spec": found.spec.model_copy(update={"unschedulable": True})})


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (node({}, name="n"), "node n lacks the label apps=phi"),
        (node(WANTED, name="n", ready=False), "node n is not ready"),
        (cordoned(), "node n is cordoned"),
        (of_type("Standard_Y"), "node n is of type Standard_Y, and not Standard_X"),
        (
            node({**WANTED, labels.WORKSPACE: "other"}, name="n"),
            "node n is in use by another Workspace",
        ),
    ],
    ids=["label", "ready", "cordoned", "type", "reserved"],
)
def test_of_each_node_at_hand_it_is_said_why_it_does_not_count(there: Node, why: str) -> None:
    assert await_nodes(alone(there)).message.split("; ")[1] == why


def test_a_node_that_another_workspace_uses_is_named() -> None:
    seen = alone(node(WANTED, name="n"), taken=frozenset({"n"}))

    assert await_nodes(seen).message.endswith("; node n is in use by another Workspace")


def test_a_node_that_is_too_small_and_one_without_gpus_are_told_apart() -> None:
    held = observed().workspace.metadata.model_dump(by_alias=True)
    made = workspace(metadata=held, resource={"labelSelector": {"matchLabels": WANTED}})
    tiny = of_type("Standard_Tiny")
    blind = node(WANTED, name="o", gpus=0)

    said = await_nodes(alone(tiny, blind, workspace=made)).message

    assert "; node n is too small for the model; node o offers no nvidia.com/gpu" in said


def test_what_is_said_of_nodes_that_wake_nobody_is_looked_at_again() -> None:
    assert await_nodes(alone(node({}, name="n"))).recheck_seconds == 10


def test_of_many_nodes_only_a_few_are_named() -> None:
    many = (node({}, name=f"n{number}") for number in range(9))

    said = await_nodes(alone(*many)).message

    assert said.endswith("; and 4 more")
    assert said.count("lacks") == 5


def test_without_a_type_no_type_is_looked_for_and_none_is_recorded() -> None:
    seen = typeless()

    assert check_spec(seen).satisfied
    assert status(seen, plan(seen)).instance_type is None


def test_a_claim_of_before_is_kept_while_it_is_needed() -> None:
    bought = acted(observed())
    now = replace(bought, options=ONLY_BROUGHT)

    assert ensure_claims(now).reason == Reason.WAITING_FOR_MACHINES
    assert ensure_claims(now).actions == ()


def test_the_setting_says_so() -> None:
    assert Settings(claim_kind="None").new_node_class is None
    assert Settings().new_node_class == ""
