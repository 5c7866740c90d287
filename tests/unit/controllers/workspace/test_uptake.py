"""A claim that nobody takes up, or moves: told in time, with a remedy, and over with a sign."""

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
from kaito.nodes.uptake import unmoved
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
    assert step.recheck_seconds == 1500


def taken_up(claim: Claim, *, seconds: float | None = None) -> Claim:
    """The claim once a provisioner has put its finalizer on it, and perhaps a condition later."""
    metadata = claim.metadata.model_copy(update={"finalizers": ("karpenter.sh/termination",)})
    held = claim.model_copy(update={"metadata": metadata})
    if seconds is None:
        return held
    marked = with_condition(held, "MachineLaunched", "Unknown", "the pool is being created")
    (one,) = marked.status.conditions
    moved = one.model_copy(update={"last_transition_time": NOW + timedelta(seconds=seconds)})
    status = marked.status.model_copy(update={"conditions": (moved,)})
    return marked.model_copy(update={"status": status})


def left(*, seconds: float, moved: float | None = None) -> Observed:
    """A look so long after a claim was made, which was taken up, and then moved perhaps."""
    seen = waiting(seconds=seconds, options=Options(registry=""))
    return replace(seen, claims=tuple(taken_up(claim, seconds=moved) for claim in seen.claims))


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        (None, "waits for MachineLaunched, and nothing has moved it since 2026-01-01T00:00:00Z"),
        (60.0, "the pool is being created, and nothing has moved it since 2026-01-01T00:01:00Z"),
    ],
)
def test_a_claim_that_was_taken_up_and_left_is_told_after_thirty_five_minutes(
    moved: float | None, told: str
) -> None:
    begun = moved or 0

    early = ensure_claims(left(seconds=begun + 2099, moved=moved))
    late = ensure_claims(left(seconds=begun + 2100, moved=moved))
    later = ensure_claims(left(seconds=begun + 9000, moved=moved))

    assert (early.reason, early.recheck_seconds) == (Reason.WAITING_FOR_MACHINES, 1)
    assert (late.reason, late.recheck_seconds) == (Reason.NO_PROVISIONER, None)
    assert told in late.message
    assert "is the provisioner running?" in late.message
    assert later.message == late.message


def test_a_claim_that_goes_or_was_usable_once_is_not_told_of_as_left() -> None:
    seen = left(seconds=9000)
    (claim,) = seen.claims
    going = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    usable = with_condition(claim, "MachineInitialized", "True")

    for each in (claim.model_copy(update={"metadata": going}), usable):
        step = ensure_claims(replace(seen, claims=(each,)))
        assert step.reason != Reason.NO_PROVISIONER


def test_a_claim_that_its_provisioner_has_failed_is_not_told_of_as_left() -> None:
    seen = left(seconds=9000)
    (claim,) = seen.claims
    refused = with_condition(claim, "MachineLaunched", "False", "no quota", reason="QuotaExceeded")

    step = ensure_claims(replace(seen, claims=(refused,)))

    assert step.reason == Reason.MACHINE_FAILED


def test_of_many_claims_that_were_left_the_question_is_told_all_the_same() -> None:
    seen = left(seconds=9000)
    (claim,) = seen.claims
    named = (claim.metadata.model_copy(update={"name": f"ws{n:09}"}) for n in range(100))
    many = tuple(claim.model_copy(update={"metadata": metadata}) for metadata in named)

    message = unmoved(many)

    assert message.count("nothing has moved it") == 5
    assert "; and 95 more: is the provisioner running?" in message
