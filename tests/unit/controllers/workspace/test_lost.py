"""Nodes that stop being ready: another follows those that were bought, the user's are reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kaito.api import labels, machine
from kaito.api.machine import Machine
from kaito.api.reasons import Reason
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.nodes import await_nodes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import verdict
from kaito.controllers.workspace.step import Create, Delete
from kaito.kube.kinds import Node
from kaito.nodes.attempts import MOST_REPLACEMENTS
from kaito.nodes.claim import Wish, claim_place, rendered_claim
from tests.unit.controllers.workspace.worlds import (
    NOW,
    WISH,
    acted,
    node,
    node_of,
    observed,
    stored,
    with_condition,
    workspace,
)

PATIENCE = 600


def usable(wish: Wish = WISH) -> Machine:
    """A claim whose node has come up, as its provisioner leaves it."""
    bare = Machine.model_validate(rendered_claim(workspace(), wish))
    for stage in (machine.LAUNCHED, machine.REGISTERED, machine.INITIALIZED, machine.READY):
        bare = with_condition(bare, stage, "True")
    told = bare.status.model_copy(update={"node_name": node_of(bare).metadata.name})
    return bare.model_copy(update={"status": told})


def away(of: Node, *, since: datetime) -> Node:
    """The node once it has stopped being ready."""
    wire = of.model_dump(by_alias=True, mode="json")
    wire["status"]["conditions"] = [
        {"type": "Ready", "status": "Unknown", "lastTransitionTime": since.isoformat()}
    ]
    return Node.model_validate(wire)


def without(seconds: float) -> Observed:
    """A look at a workspace whose node has not been ready for so long."""
    claim = usable()
    gone = away(node_of(claim), since=NOW - timedelta(seconds=seconds))
    return observed(claims=(claim,), nodes=(gone,))


def test_a_node_that_misses_some_heartbeats_is_waited_for_until_its_time_is_up() -> None:
    step = ensure_claims(without(PATIENCE - 30))

    assert step.satisfied
    assert step.actions == ()
    assert step.recheck_seconds == 30


def test_a_lost_node_is_put_on_record_then_given_back_then_followed() -> None:
    lost = stored(without(PATIENCE))
    given_back = acted(lost)
    followed = acted(replace(given_back, claims=(), nodes=()))

    (attempt,) = lost.workspace.status.attempts
    assert (attempt.reason, attempt.ordinal, attempt.attempt) == ("NodeLost", 0, 0)
    assert attempt.message.endswith("has not been ready since 2025-12-31T23:50:00Z")
    assert ensure_claims(without(PATIENCE)).actions == ()
    assert [type(one) for one in ensure_claims(lost).actions] == [Delete]
    assert ensure_claims(given_back).actions == ()
    assert [claim_place(claim) for claim in followed.claims] == [(0, 1)]


def test_a_node_that_is_missed_for_long_is_lost_too() -> None:
    claim = with_condition(usable(), machine.READY, "False", reason="NodeGone")
    missed = machine.READY
    told = tuple(
        each.model_copy(update={"last_transition_time": NOW - timedelta(seconds=PATIENCE)})
        if each.type == missed
        else each
        for each in claim.status.conditions
    )
    status_ = claim.status.model_copy(update={"conditions": told})

    lost = stored(observed(claims=(claim.model_copy(update={"status": status_}),)))

    assert [one.reason for one in lost.workspace.status.attempts] == ["NodeLost"]
    assert stored(observed(claims=(usable(),))).workspace.status.attempts == ()


def robbed(claim: Machine) -> Observed:
    """A look at a workspace whose machine somebody has deleted a minute ago."""
    gone = with_condition(
        claim, machine.LAUNCHED, "False", "the pool is gone", reason="InstanceGone"
    )
    gone = with_condition(gone, machine.READY, "False", reason="InstanceGone")
    since = {"last_transition_time": NOW - timedelta(seconds=60)}
    told = tuple(each.model_copy(update=since) for each in gone.status.conditions)
    status_ = gone.status.model_copy(update={"conditions": told})
    return observed(claims=(gone.model_copy(update={"status": status_}),))


@pytest.mark.parametrize("is_cluster_alive", [True, False])
def test_a_machine_that_is_replaced_by_itself_leaves_nobody_with_anything_to_do(
    *,
    is_cluster_alive: bool,
) -> None:
    seen = replace(robbed(usable()), is_cluster_alive=is_cluster_alive)

    step, whole = ensure_claims(seen), verdict(plan(seen))

    assert (whole.reason, whole.stalled) == (Reason.MACHINE_FAILED, False)
    assert "the pool is gone" in whole.message
    assert step.recheck_seconds == (PATIENCE - 60 if is_cluster_alive else None)


def test_a_machine_that_was_never_usable_and_is_gone_is_a_persons_affair() -> None:
    bare = with_condition(usable(), machine.INITIALIZED, "False")

    assert verdict(plan(robbed(bare))).stalled


def test_nodes_are_replaced_a_bounded_number_of_times() -> None:
    seen = observed()
    bought = 0
    for number in range(MOST_REPLACEMENTS + 3):
        if any(isinstance(one, Create) for one in ensure_claims(seen).actions):
            bought += 1
        claim = usable(replace(WISH, attempt=number))
        gone = away(node_of(claim), since=NOW - timedelta(seconds=PATIENCE))
        seen = stored(replace(seen, claims=(claim,), nodes=(gone,)))
        seen = replace(seen, claims=(), nodes=())

    assert bought == 1 + MOST_REPLACEMENTS
    step = ensure_claims(seen)
    assert step.reason is Reason.MACHINE_FAILED
    assert step.actions == ()
    assert "gave up after" in step.message
    assert "NodeLost" in step.message


def test_a_node_that_has_never_been_usable_is_left_to_whoever_brings_it() -> None:
    bare = with_condition(usable(), machine.INITIALIZED, "False")
    gone = away(node_of(bare), since=NOW - timedelta(days=1))

    assert stored(observed(claims=(bare,), nodes=(gone,))).workspace.status.attempts == ()


def test_no_node_is_lost_while_no_node_of_the_cluster_is_ready() -> None:
    blind = replace(without(PATIENCE), is_cluster_alive=False)

    assert stored(blind).workspace.status.attempts == ()
    assert ensure_claims(blind).actions == ()


def test_of_several_nodes_only_the_lost_one_is_given_back() -> None:
    claims = tuple(usable(replace(WISH, ordinal=number)) for number in range(2))
    first, second = map(node_of, claims)
    held = observed(claims=claims, nodes=(first, away(second, since=NOW - timedelta(hours=1))))

    lost = stored(held)

    assert [one.ordinal for one in lost.workspace.status.attempts] == [1]
    (back,) = ensure_claims(lost).actions
    assert isinstance(back, Delete)
    assert back.seen.metadata.name == claims[1].metadata.name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "node mine has not been ready since 2025-12-31T00:00:00Z"),
        ({"spec": {"unschedulable": True}}, "node mine is cordoned"),
    ],
    ids=["away", "cordoned"],
)
def test_a_node_that_the_user_brings_is_never_given_up_but_reported(
    changes: dict[str, object], said: str
) -> None:
    mine = node({"apps": "phi"}, name="mine")
    if changes:
        gone = Node.model_validate(mine.model_dump(by_alias=True, mode="json") | changes)
    else:
        gone = away(mine, since=NOW - timedelta(days=1))
    seen = observed(workspace=workspace(status={"workerNodes": ["mine"]}), nodes=(gone,))

    step = await_nodes(seen)

    assert ensure_claims(seen).satisfied
    assert (step.satisfied, step.reason) == (False, "NodesNotReady")
    assert step.message.endswith(f"; {said}: mend it, or delete it and another is created")


def test_a_node_of_ours_that_is_away_is_named_while_it_is_waited_for() -> None:
    seen = without(60)

    message = await_nodes(seen).message

    assert message.startswith("0 of 1 nodes are ready")
    assert message.endswith("since 2025-12-31T23:59:00Z: another follows if it does not come back")
    assert seen.nodes[0].metadata.labels[labels.WORKSPACE] == "w"
