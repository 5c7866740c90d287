"""Claims that came to nothing, and what follows: another type, another try, or giving up. Pure.

The Workspace's status holds one entry for each claim that failed for good, written before the
claim is given back. From these entries alone follow the names of the next claims and the type
that is tried next, so a restart at any moment goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Attempt
from kaito.kube.messages import shortened
from kaito.nodes.claim import Claim, claim_failure, claim_place, claim_stage, claim_type
from kaito.nodes.uptake import is_launched

MOST_REPLACEMENTS = 3
"""How often the claim for one node is replaced by another of the same type."""

_MOST_KEPT = 1 + MOST_REPLACEMENTS
"""How many claims for one node of a type that cannot be had the status remembers."""

NEVER_LAUNCHED = "NeverLaunched"
"""Reason of an attempt whose NodeClaim somebody else has deleted before it had a machine."""

UNOBTAINABLE = frozenset(
    {
        "CapacityUnavailable",
        "QuotaExceeded",
        "SkuUnavailable",
        "InsufficientCapacity",
        NEVER_LAUNCHED,
    }
)
"""Reasons for which another instance type may succeed: our provisioner's, and Karpenter's own."""

PASSING = frozenset({"CapacityUnavailable", "InsufficientCapacity"})
"""Reasons that pass by themselves; of the others a person has to do something about."""

_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900))
"""How long to wait before a type is asked for again that could not be had."""

_MOST_SAID = 1024
"""Characters that the status keeps of why a claim came to nothing: there may be hundreds."""

OVERDUE = frozenset({"LaunchTimedOut", "RegistrationTimedOut"})
"""Reasons for which another node of the same type may succeed.

Not a GPU that never appears: every further node would lack it as well.
"""

CLAIM_DELETED = "ClaimDeleted"
"""Reason of an attempt whose claim somebody else has deleted."""

NODE_LOST = "NodeLost"
"""Reason of an attempt whose node has not been ready for long."""


def failures(
    claims: Iterable[Claim],
    attempts: Sequence[Attempt],
    *,
    now: datetime,
    types: Sequence[str],
    lost: Mapping[str, str],
    given_back: Set[str] = frozenset(),
) -> tuple[Attempt, ...]:
    """Claims that have come to nothing and are not among `attempts` yet, by place.

    A claim that somebody else deletes has: its node is lost, or cannot be had. So has one whose
    node does not come back, and one that is overdue. One that says itself that it cannot be had
    has only where another type is left; else it stays, because whoever carries it out tries again.
    One that does not say which node it is for is never among them: it is kept.

    Args:
        claims: those of one workspace that is to stay.
        attempts: what its status says of earlier ones.
        now: the present, UTC.
        types: instance types that the workspace accepts, the first choice first.
        lost: names of claims whose nodes are lost, each with a sentence that says so.
        given_back: uids of claims that nobody else has deleted, but we.
    """
    left = {name for name in types if name not in unobtainable_types(attempts)}
    found = [
        _attempt(claim, now, *end)
        for claim in claims
        if _has_place(claim)
        and not is_spent(claim, attempts)
        and (end := _end(claim, left, lost, given_back))
    ]
    return tuple(sorted(found, key=lambda one: (one.ordinal, one.attempt)))


def _end(
    claim: Claim, left: Set[str], lost: Mapping[str, str], given_back: Set[str]
) -> tuple[str, str] | None:
    """Reason and message of a claim that has come to nothing; None of one that has not."""
    if claim.is_deleting:
        may_be_refused = isinstance(claim, NodeClaim) and claim.metadata.uid not in given_back
        return _deletion(claim, may_be_refused=may_be_refused)
    if claim.metadata.name in lost:
        return NODE_LOST, lost[claim.metadata.name]
    reason, message = claim_failure(claim)
    is_followed = reason in UNOBTAINABLE and not left <= {claim_type(claim)}
    return (reason, message) if reason in OVERDUE or is_followed else None


def _deletion(claim: Claim, *, may_be_refused: bool) -> tuple[str, str]:
    """Reason and message of a claim that is being deleted.

    Karpenter deletes a claim that it finds no machine for, or no ready NodeClass, and tells why by
    an Event alone. A Machine says itself that it cannot be had.
    """
    reason, message = claim_failure(claim)
    if is_launched(claim) or reason in UNOBTAINABLE | OVERDUE:
        return reason or CLAIM_DELETED, message or "somebody else deleted the claim"
    said = f"{claim_stage(claim)}; the claim was deleted before its node was launched"
    if not may_be_refused:
        return CLAIM_DELETED, said
    return NEVER_LAUNCHED, (
        f"{said}, as Karpenter does where there is no capacity, or no NodeClass that is ready: see"
        " the claim's Events"
    )


def _attempt(claim: Claim, now: datetime, reason: str, message: str) -> Attempt:
    """What the status keeps of a claim."""
    ordinal, attempt = claim_place(claim)
    return Attempt(
        ordinal=ordinal,
        attempt=attempt,
        instance_type=claim_type(claim),
        reason=reason,
        message=shortened(message, most=_MOST_SAID),
        finished_at=now.replace(microsecond=0),
    )


def recorded(attempts: Iterable[Attempt], failed: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """What the status says of claims once others have come to nothing.

    Of types that cannot be had, which are asked for without end, it keeps the latest claims.
    """
    found = [*attempts, *failed]
    return tuple(
        one
        for number, one in enumerate(found)
        if _counts(one)
        or len(refused(found[number:], one.ordinal, one.instance_type)) <= _MOST_KEPT
    )


def refused(attempts: Iterable[Attempt], ordinal: int, type_: str) -> tuple[Attempt, ...]:
    """The claims for one node of a type that could not be had, since the workspace was ready."""
    return tuple(
        one
        for one in attempts
        if (one.ordinal, one.instance_type) == (ordinal, type_)
        and not (one.settled or _counts(one))
    )


def next_due(
    attempts: Iterable[Attempt], ordinal: int, type_: str, *, now: datetime
) -> datetime | None:
    """When a type that could not be had is asked for again; None where that is now.

    A refusal that is yet to come is by a clock that was wrong: no pause can be counted from it.
    """
    before = refused(attempts, ordinal, type_)
    since = before[-1].finished_at if before else None
    if since is None or since > now:
        return None
    due = since + _PAUSES[min(len(before), len(_PAUSES)) - 1]
    return due if due > now else None


def is_spent(claim: Claim, attempts: Iterable[Attempt]) -> bool:
    """Whether the failure of a claim stands in the status: it is to be given back."""
    return _has_place(claim) and claim_place(claim) in {
        (one.ordinal, one.attempt) for one in attempts
    }


def _has_place(claim: Claim) -> bool:
    """Whether a claim says which node it is for; no entry can be told to be that of another."""
    return claim_place(claim)[0] >= 0


def next_attempt(attempts: Iterable[Attempt], ordinal: int) -> int:
    """Number of the next claim for a node; the first is 0."""
    return max((one.attempt + 1 for one in attempts if one.ordinal == ordinal), default=0)


def is_given_up(attempts: Iterable[Attempt], ordinal: int) -> bool:
    """Whether the claim for a node has been replaced as often as it may be."""
    return len(replaced(attempts, ordinal)) > MOST_REPLACEMENTS


def replaced(attempts: Iterable[Attempt], ordinal: int) -> tuple[Attempt, ...]:
    """The claims for one node that came to nothing otherwise, since the workspace was ready."""
    return tuple(
        one for one in attempts if one.ordinal == ordinal and _counts(one) and not one.settled
    )


def last_of(attempts: Iterable[Attempt], ordinal: int) -> Attempt:
    """The latest attempt for a node; there is one."""
    return max((one for one in attempts if one.ordinal == ordinal), key=lambda one: one.attempt)


def unobtainable_types(attempts: Iterable[Attempt]) -> frozenset[str]:
    """Instance types that could not be had."""
    return frozenset(one.instance_type for one in attempts if not _counts(one))


def in_turn(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    """Instance types to ask for again, the one that waits longest first.

    None where each claim that could not be had said so itself: the last of those stays asked for.
    """
    found = [one for one in attempts if not _counts(one)]
    if all(one.reason != NEVER_LAUNCHED for one in found):
        return ()
    latest = {one.instance_type: number for number, one in enumerate(found)}
    return tuple(sorted(latest, key=latest.__getitem__))


def kept(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """What is still worth knowing once the workspace is ready.

    Why it has the type that it has, and the latest number of a claim for each node: a name that
    was given once is not given again, whatever becomes of the labels of the claim that has it now.
    """
    latest: dict[object, Attempt] = {}
    for one in attempts:
        latest[one.ordinal] = one
        if not _counts(one):
            latest[one.ordinal, one.instance_type] = one
    return tuple(
        one.model_copy(update={"settled": True})
        for one in attempts
        if any(one is each for each in latest.values())
    )


def _counts(one: Attempt) -> bool:
    """Whether an attempt was one of a bounded number; types are bounded by their list."""
    return one.reason not in UNOBTAINABLE
