"""How far whoever carries a claim out has come with it, and what is told while nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kaito.api.nodeclaim import READY, NodeClaim
from kaito.kube.conditions import is_true
from kaito.kube.messages import listed
from kaito.nodes.claim import Claim, claim_stage, stages

UPTAKE_SECONDS = 30.0
"""How long a claim may be there before a provisioner leaves its first mark.

One that runs takes a second; while its replicas change places, a lease has to run out first.
"""
STILL_SECONDS = 2100.0
"""How long a claim that was taken up may stay as it is before that is told.

Longer than each deadline of our provisioner, which says itself what is overdue; a test compares
them. One that is set longer ends the wait all the same, after the question.
"""


def uptake_due(claim: Claim) -> datetime | None:
    """When a claim should have been taken up at the latest; None of one that has been.

    Every provisioner puts its finalizer, or conditions, on a claim before it buys anything.
    """
    created, said = claim.metadata.creation_timestamp, claim.status
    if created is None or claim.metadata.finalizers or said.conditions or said.provider_id:
        return None
    return created + timedelta(seconds=UPTAKE_SECONDS)


def still_due(claim: Claim) -> datetime | None:
    """When a claim that was taken up should have moved again at the latest.

    None of one that nobody has taken up, that goes, or whose node was usable once.
    """
    since = still_since(claim)
    is_through = is_true(claim.status.conditions, stages(claim)[-1])
    if since is None or uptake_due(claim) or claim.is_deleting or is_through:
        return None
    return since + timedelta(seconds=STILL_SECONDS)


def still_since(claim: Claim) -> datetime | None:
    """When a condition of a claim last changed, else its creation; None where nothing says."""
    moments = [each.last_transition_time for each in claim.status.conditions]
    known = [each for each in (claim.metadata.creation_timestamp, *moments) if each]
    return max(known, default=None)


def is_launched(claim: Claim) -> bool:
    """Whether anything says that there is a machine for a claim."""
    types = {*stages(claim), READY}
    holds = any(each.type in types and each.status == "True" for each in claim.status.conditions)
    return holds or bool(claim.status.provider_id or claim.status.node_name)


def unheard(claims: Sequence[Claim]) -> str:
    """What is said of claims that nobody takes up, and what to look at; there is one at least."""
    names = ", ".join(claim.metadata.name for claim in claims)
    return (
        f"nobody has taken up {names} for {UPTAKE_SECONDS:g} s: is a provisioner running that"
        f" serves {_kind(claims[0])}? `kubectl get deployments -A` shows it; with nodes of your own"
        " no claim is needed: label one as resource.labelSelector says"
    )


def unmoved(claims: Sequence[Claim]) -> str:
    """What is said of claims that were taken up and then left."""
    said = listed(_still(claim) for claim in claims)
    return f"{said}: is the provisioner running? `kubectl get deployments -A` and its log say"


def _still(claim: Claim) -> str:
    since = still_since(claim)
    moment = f" since {since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    return f"{claim_stage(claim)}, and nothing has moved it{moment}"


def _kind(claim: Claim) -> str:
    """What a provisioner has to serve."""
    if not isinstance(claim, NodeClaim):
        return "Machines"
    ref = claim.spec.node_class_ref
    return f"NodeClaims of the class {ref.group}/{ref.kind}/{ref.name}"
