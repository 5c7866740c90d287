"""A node that the user brings while a claim comes to nothing: the claim goes, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.api import machine
from kaito.api.reasons import Reason
from kaito.api.workspace import Attempt
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Delete
from kaito.kube.objects import Condition
from kaito.nodes.claim import Claim
from tests.unit.controllers.workspace.worlds import (
    NOW,
    acted,
    node,
    node_of,
    observed,
    pod_on,
    stored,
    with_condition,
)

WANTED = {"apps": "phi"}


def refused(claim: Claim) -> Claim:
    return with_condition(
        claim, machine.LAUNCHED, "False", "0 of 24 vCPUs left", reason="QuotaExceeded"
    )


def helped(*, claim_is: str = "refused") -> Observed:
    """A workspace whose claim has failed, and whose user has brought a node, which is in use."""
    asked = acted(observed())
    (claim,) = asked.claims
    states = {
        "refused": refused(claim),
        "untouched": claim,
        "launched": with_condition(claim, machine.LAUNCHED, "True"),
    }
    brought = node(WANTED, name="mine")
    used = asked.workspace.status.model_copy(update={"worker_nodes": ("mine",)})
    served = asked.workspace.model_copy(update={"status": used})
    return replace(asked, workspace=served, claims=(states[claim_is],), nodes=(brought,))


@pytest.mark.parametrize("claim_is", ["refused", "untouched"])
def test_a_claim_without_a_machine_is_given_back_once_the_nodes_are_complete(
    claim_is: str,
) -> None:
    seen = helped(claim_is=claim_is)
    (claim,) = seen.claims

    step = ensure_claims(seen)

    assert step.satisfied
    assert [type(action) for action in step.actions] == [Delete]
    assert [action.seen for action in step.actions if isinstance(action, Delete)] == [claim]


def test_a_claim_that_has_lost_its_uid_is_given_back_as_well() -> None:
    seen = helped(claim_is="untouched")
    stripped = replace(seen, claims=(), stripped=seen.claims)

    assert [type(action) for action in ensure_claims(stripped).actions] == [Delete]


def test_it_goes_without_a_trace_and_nothing_waits_for_it() -> None:
    seen = helped()
    going = replace(
        seen,
        claims=tuple(
            claim.model_copy(
                update={"metadata": claim.metadata.model_copy(update={"deletion_timestamp": NOW})}
            )
            for claim in seen.claims
        ),
    )

    assert ensure_claims(going).satisfied
    assert ensure_claims(going).actions == ()
    assert status(going, plan(going)).attempts == ()
    assert ensure_claims(replace(going, claims=())).actions == ()


def test_one_that_had_failed_on_record_is_followed_by_no_other() -> None:
    seen = helped()
    failed = {"instanceType": "Standard_X", "reason": "QuotaExceeded", "message": "none left"}
    on_record = Attempt.model_validate({"ordinal": 0, "attempt": 0, **failed})
    said = seen.workspace.status.model_copy(update={"attempts": (on_record,)})

    step = ensure_claims(
        replace(seen, workspace=seen.workspace.model_copy(update={"status": said}))
    )

    assert (step.satisfied, step.reason) == (True, Reason.MACHINES_READY)
    assert [type(action) for action in step.actions] == [Delete]


def answering(seen: Observed, *, on: tuple[str, ...] = ("mine",)) -> Observed:
    """The same, once the status says that the model answers, with pods on these nodes."""
    ready = Condition(type="Ready", status="True", reason="Ready", message="")
    said = seen.workspace.status.model_copy(update={"conditions": (ready,)})
    served = seen.workspace.model_copy(update={"status": said})
    return replace(seen, workspace=served, pods=tuple(pod_on(name) for name in on))


def joined(seen: Observed, *, by_name: bool = True) -> Observed:
    """The same, once the bought node is there; its claim may not have told its name yet."""
    (claim,) = seen.claims
    bought = node_of(claim)
    told = {"node_name": bought.metadata.name} if by_name else {}
    status_ = claim.status.model_copy(update=told)
    known = claim.model_copy(update={"status": status_})
    return replace(seen, claims=(known,), nodes=(*seen.nodes, bought))


def test_a_machine_that_has_been_bought_stays_until_the_model_answers_without_it() -> None:
    assert ensure_claims(helped(claim_is="launched")).actions == ()


@pytest.mark.parametrize("has_joined", [False, True], ids=["launched", "joined"])
def test_a_machine_that_the_model_answers_without_is_given_back(*, has_joined: bool) -> None:
    bought = helped(claim_is="launched")
    seen = answering(joined(bought) if has_joined else bought)

    step = ensure_claims(seen)

    assert step.satisfied
    assert [action.seen for action in step.actions if isinstance(action, Delete)] == list(
        seen.claims
    )
    assert status(seen, plan(seen)).attempts == ()


@pytest.mark.parametrize(
    "on", [(), ("mine", "elsewhere"), ("mine", "")], ids=["no pod", "a pod there", "a pod to come"]
)
def test_it_stays_while_a_pod_is_anywhere_else(on: tuple[str, ...]) -> None:
    seen = joined(helped(claim_is="launched"))
    there = seen.nodes[-1].metadata.name

    on = tuple(there if name == "elsewhere" else name for name in on)

    assert ensure_claims(answering(seen, on=on)).actions == ()


@pytest.mark.parametrize("by_name", [True, False], ids=["told", "not told yet"])
def test_a_machine_that_was_chosen_stays(*, by_name: bool) -> None:
    seen = joined(helped(claim_is="launched"), by_name=by_name)
    bought = seen.nodes[-1]
    used = seen.workspace.status.model_copy(update={"worker_nodes": (bought.metadata.name,)})
    served = seen.workspace.model_copy(update={"status": used})

    chosen = answering(replace(seen, workspace=served), on=(bought.metadata.name,))

    assert ensure_claims(chosen).actions == ()


def test_one_that_goes_is_missed_only_when_a_node_is() -> None:
    seen = answering(joined(helped(claim_is="launched")))
    (claim,) = seen.claims
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    going = replace(seen, claims=(claim.model_copy(update={"metadata": metadata}),))
    unready = replace(going, workspace=helped().workspace)
    short = replace(going, nodes=())

    assert ensure_claims(going).satisfied
    assert ensure_claims(unready).satisfied
    assert [one.reason for one in ensure_claims(short).failed] == ["ClaimDeleted"]


def test_nothing_goes_before_the_status_says_that_the_node_is_in_use() -> None:
    seen = helped()
    unsaid = seen.workspace.status.model_copy(update={"worker_nodes": ()})

    early = replace(seen, workspace=seen.workspace.model_copy(update={"status": unsaid}))

    assert ensure_claims(early).actions == ()


def test_nothing_goes_while_the_node_is_not_ready() -> None:
    away = replace(helped(), nodes=(node(WANTED, name="mine", ready=False),))

    assert ensure_claims(away).actions == ()


def test_a_claim_that_serves_stays_beside_a_node_that_turns_up() -> None:
    asked = acted(observed())
    ready = with_condition(asked.claims[0], machine.READY, "True")
    serving = stored(replace(asked, claims=(ready,), nodes=(node_of(ready),)))
    joined = replace(serving, nodes=(*serving.nodes, node(WANTED, name="a-new-one")))

    assert ensure_claims(joined).actions == ()
