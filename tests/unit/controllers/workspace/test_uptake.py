"""A claim that nobody takes up: told in time, with a remedy, and over with the first sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.api.reasons import TERMINAL, WARNINGS, Reason
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import verdict
from kaito.nodes.claim import Claim
from tests.unit.controllers.workspace.worlds import NOW, acted, observed, stored, with_condition

KARPENTER = Options(registry="", node_class="karpenter.azure.com/AKSNodeClass/gpu")


def waiting(*, seconds: float, options: Options = KARPENTER) -> Observed:
    """A look at a workspace whose claim is so old, and nobody has touched it."""
    asked = acted(observed(options=options))
    claims = tuple(aged(claim) for claim in asked.claims)
    return replace(stored(replace(asked, claims=claims)), now=NOW + timedelta(seconds=seconds))


def aged(claim: Claim) -> Claim:
    metadata = claim.metadata.model_copy(update={"creation_timestamp": NOW})
    return claim.model_copy(update={"metadata": metadata})


def test_a_claim_that_nobody_takes_up_is_told_with_the_class_to_be_served() -> None:
    step = ensure_claims(waiting(seconds=30))

    assert (step.satisfied, step.reason, step.condition) == (
        False,
        Reason.NO_PROVISIONER,
        "NodeClaimReady",
    )
    assert step.message.startswith("nobody has taken up ws")
    assert "NodeClaims of the class karpenter.azure.com/AKSNodeClass/gpu?" in step.message
    assert "`kubectl get deployments -A`" in step.message
    assert step.recheck_seconds is None


def test_where_machines_are_asked_for_it_asks_for_one_that_serves_machines() -> None:
    step = ensure_claims(waiting(seconds=31, options=Options(registry="")))

    assert "is a provisioner running that serves Machines?" in step.message


def test_it_may_pass_and_is_a_warning() -> None:
    assert Reason.NO_PROVISIONER in WARNINGS - TERMINAL
    assert not verdict(plan(waiting(seconds=600))).stalled


def test_before_its_time_the_claim_is_looked_at_again_exactly_when_that_is_up() -> None:
    step = ensure_claims(waiting(seconds=12))

    assert step.reason == Reason.WAITING_FOR_MACHINES
    assert step.recheck_seconds == 18


@pytest.mark.parametrize("sign", ["finalizer", "condition", "instance"])
def test_the_first_sign_of_a_provisioner_ends_it(sign: str) -> None:
    seen = waiting(seconds=600, options=Options(registry=""))
    (claim,) = seen.claims
    held = claim.metadata.model_copy(update={"finalizers": ("karpenter.sh/termination",)})
    launched = claim.status.model_copy(update={"provider_id": "azure:///x"})
    marked = {
        "finalizer": claim.model_copy(update={"metadata": held}),
        "condition": with_condition(claim, "MachineLaunched", "Unknown"),
        "instance": claim.model_copy(update={"status": launched}),
    }

    step = ensure_claims(replace(seen, claims=(marked[sign],)))

    assert step.reason == Reason.WAITING_FOR_MACHINES
    assert step.recheck_seconds is None
