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
from kaito.nodes.claim import Claim
from tests.unit.controllers.workspace.worlds import (
    NOW,
    acted,
    node,
    node_of,
    observed,
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


def test_a_machine_that_has_been_bought_stays() -> None:
    assert ensure_claims(helped(claim_is="launched")).actions == ()


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
