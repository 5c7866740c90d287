"""Phase ensure_claims: ask for the nodes that the user does not bring, and for those lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter

from kaito.api.labels import CREATED_FOR
from kaito.api.reasons import Reason
from kaito.controllers.workspace.nodes import claims_ready, model
from kaito.controllers.workspace.observe import Observed, once
from kaito.controllers.workspace.roster import roster
from kaito.controllers.workspace.step import Action, Create, Delete, Step, done, hold
from kaito.kube.conditions import condition
from kaito.kube.messages import listed
from kaito.kube.relabel import relabelling
from kaito.nodes.attempts import (
    MOST_REPLACEMENTS,
    PASSING,
    failures,
    is_given_up,
    last_of,
    next_attempt,
    next_due,
    refused,
    replaced,
)
from kaito.nodes.claim import (
    Claim,
    ClaimState,
    Wish,
    claim_failure,
    claim_name,
    claim_stage,
    claim_state,
    contradiction,
    rendered_claim,
    resource_of,
)
from kaito.nodes.hardware import eligible_types, instance_type
from kaito.nodes.loss import Absence, absences
from kaito.nodes.uptake import still_due, unheard, unmoved, uptake_due

_SILENCE_SECONDS = 3.0
"""How long the first claims may be there before people are told what these wait for.

At first that changes from moment to moment, and each of them would be a write. A claim that has
failed is told of at once.
"""
_STAGE_SECONDS = 5.0
"""How long a later stage may last before it is told: a node that comes passes several at once."""


def ensure_claims(seen: Observed) -> Step:
    """A claim exists, and is ready, for every node that the user does not bring.

    A claim that is launched keeps its place, whatever nodes turn up beside it. One that came to
    nothing is first put on record, then given back, and only then followed by another: there
    is never more than one for a node.
    """
    step = _recorded(seen) or _followed(seen) or _mislaid(seen) or _awaited(seen)
    due = [one.until for one in _absences(seen) if one.until > seen.now]
    if not due or step.actions:
        return step
    seconds = (min(due) - seen.now).total_seconds()
    return replace(step, recheck_seconds=min(seconds, step.recheck_seconds or seconds))


@once
def _absences(seen: Observed) -> tuple[Absence, ...]:
    """Nodes of ours that are away; none while no node of the cluster is ready.

    Then it is not the nodes that are lost but somebody's sight of them.
    """
    return _missed(seen) if seen.is_cluster_alive else ()


@once
def _missed(seen: Observed) -> tuple[Absence, ...]:
    """Nodes of ours that are not there as far as can be seen from here."""
    patience = seen.options.node_lost_seconds
    return tuple(absences(seen.claims, seen.nodes, patience_seconds=patience))


def _recorded(seen: Observed) -> Step | None:
    """Put claims on record that have come to nothing since the last look."""
    types = eligible_types(seen.workspace, model(seen), seen.catalog.skus)
    lost = {
        one.claim.metadata.name: one.message for one in _absences(seen) if one.until <= seen.now
    }
    attempts = seen.workspace.status.attempts
    failed = failures(
        roster(seen).wanted,
        attempts,
        now=seen.now,
        types=types,
        lost=lost,
        given_back=seen.given_back,
    )
    if not failed:
        return None
    said = listed(f"{one.instance_type}: {one.reason}: {one.message}" for one in failed)
    step = hold(claims_ready(seen), Reason.MACHINE_FAILED, said)
    return replace(step, lasting=False, failed=failed)


def _followed(seen: Observed) -> Step | None:
    """Give back what came to nothing, and ask for what is missing, once that is due."""
    attempts, claims = seen.workspace.status.attempts, roster(seen)
    given_up = [ordinal for ordinal in claims.missing if is_given_up(attempts, ordinal)]
    back = _deletions(claims.spent)
    if given_up:
        return _exhausted(seen, given_up[0], back)
    wishes = [_wish(seen, ordinal) for ordinal in claims.missing]
    moments = [
        next_due(attempts, wish.ordinal, wish.instance_type, now=seen.now) for wish in wishes
    ]
    pauses = [(due, wish) for due, wish in zip(moments, wishes, strict=True) if due]
    if pauses and len(pauses) == len(wishes):
        return _paused(seen, *min(pauses, key=itemgetter(0)), back)
    wishes = [wish for wish in wishes if wish not in (one for _, one in pauses)]
    if wishes and (impossible := contradiction(seen.workspace, wishes[0])):
        return hold(claims_ready(seen), Reason.INVALID_SPEC, impossible, *back)
    uid = seen.workspace.metadata.uid
    asked = tuple(
        Create(wish.resource, rendered_claim(seen.workspace, wish), uid) for wish in wishes
    )
    if asked:
        names = ", ".join(sorted(claim_name(uid, wish.ordinal, wish.attempt) for wish in wishes))
        message = f"creating {names} of type {wishes[0].instance_type}"
        return hold(claims_ready(seen), Reason.WAITING_FOR_MACHINES, message, *back, *asked)
    deleted = (claim for claim in (*claims.wanted, *claims.mislaid) if claim.is_deleting)
    if going := {claim.metadata.name for claim in (*claims.spent, *deleted)}:
        names = ", ".join(sorted(going))
        followed = ", another takes its place" if seen.options.buys else ""
        message = f"giving back {names}{followed}"
        return hold(claims_ready(seen), Reason.REPLACING_MACHINES, message, *back)
    return None


def _mislaid(seen: Observed) -> Step | None:
    """Say which claims have lost their label: they are ours, and no other is made beside them."""
    lost = [claim for claim in roster(seen).mislaid if not claim.is_deleting]
    if not lost:
        return None
    labels = {CREATED_FOR: seen.workspace.metadata.uid}
    said = listed(relabelling(resource_of(claim), claim, labels) for claim in lost)
    return hold(claims_ready(seen), Reason.LABELS_LOST, said)


def _paused(seen: Observed, due: datetime, wish: Wish, back: Iterable[Action]) -> Step:
    """Say that nothing is asked for before `due`, and what came of it until now.

    Whoever carries the claims out refused them, for what may pass by itself: a NodeClass that is
    applied later than the Workspace, or capacity. After as many as we replace of others a person
    should look, and is not waited for.
    """
    attempts = seen.workspace.status.attempts
    last, type_ = last_of(attempts, wish.ordinal), wish.instance_type
    message = (
        f"{last.instance_type}: {last.reason}: {last.message}: {type_} is asked for again at"
        f" {due:%Y-%m-%dT%H:%M:%SZ}"
    )
    step = hold(claims_ready(seen), Reason.MACHINE_FAILED, message, *back)
    is_lasting = len(refused(attempts, wish.ordinal, type_)) > MOST_REPLACEMENTS
    wait = (due - seen.now).total_seconds()
    return replace(step, lasting=is_lasting, recheck_seconds=wait)


def _exhausted(seen: Observed, ordinal: int, back: Iterable[Action]) -> Step:
    """Say that no further claim follows, and what a person can do."""
    tried = replaced(seen.workspace.status.attempts, ordinal)
    last = tried[-1]
    same = [one for one in tried if one.instance_type == last.instance_type]
    message = (
        f"gave up after {len(same)} claims of type {last.instance_type}, the last one:"
        f" {last.reason}: {last.message}: bring a node with the labels of resource.labelSelector,"
        " or delete the Workspace and create it anew"
    )
    return hold(claims_ready(seen), Reason.MACHINE_FAILED, message, *back)


def _deletions(claims: Iterable[Claim]) -> tuple[Delete, ...]:
    """What gives claims back; those that go already are left to it."""
    return tuple(Delete(resource_of(claim), claim) for claim in claims if not claim.is_deleting)


def _wish(seen: Observed, ordinal: int) -> Wish:
    """The claim that stands for a node next."""
    preset = model(seen)
    return Wish(
        ordinal=ordinal,
        attempt=next_attempt(seen.workspace.status.attempts, ordinal),
        instance_type=instance_type(seen.workspace, preset, seen.catalog.skus) or "",
        storage=preset.disk_storage if preset else "",
        node_class=seen.options.node_class or "",
    )


def _awaited(seen: Observed) -> Step:
    """Every claim that is needed is ready, or what it waits for."""
    needed = roster(seen).needed
    states = [(claim, claim_state(claim)) for claim in seen.claims]
    if sum(state is ClaimState.READY for _, state in states) >= needed:
        step = done(claims_ready(seen), Reason.MACHINES_READY, _none_missing(seen, needed))
        return replace(step, actions=_deletions(roster(seen).surplus))
    waiting = [claim for claim, state in states if state is not ClaimState.READY]
    failed = [claim for claim, state in states if state is ClaimState.FAILED]
    reason = Reason.MACHINE_FAILED if failed else Reason.WAITING_FOR_MACHINES
    step = hold(claims_ready(seen), reason, listed(claim_stage(claim) for claim in waiting))
    if not failed and (left := _silence_seconds(seen, waiting)) > 0:
        return replace(step, told=False, recheck_seconds=left)
    if not failed and _moves(seen, waiting):
        return replace(step, told=False, recheck_seconds=_STAGE_SECONDS)
    if not failed:
        return _unheard(seen, waiting, step)
    return replace(step, lasting=_is_lasting(seen, failed))


def _none_missing(seen: Observed, needed: int) -> str:
    """What is said where every claim that is needed is ready."""
    if needed:
        return f"{needed} machines are ready"
    if seen.options.buys:
        return "the nodes were there already"
    return "no node is asked for: this operator takes those that are brought"


def _unheard(seen: Observed, waiting: Sequence[Claim], step: Step) -> Step:
    """The step, or what is said instead of claims that no provisioner takes up, or moves."""
    for due, words in ((uptake_due, unheard), (still_due, unmoved)):
        late = [claim for claim in waiting if (moment := due(claim)) and moment <= seen.now]
        if late:
            step = hold(step.condition, Reason.NO_PROVISIONER, words(late))
            break
    moments = (due(claim) for claim in waiting for due in (uptake_due, still_due))
    ahead = [(each - seen.now).total_seconds() for each in moments if each and each > seen.now]
    return replace(step, recheck_seconds=min(ahead, default=None))


def _silence_seconds(seen: Observed, waiting: Iterable[Claim]) -> float:
    """How long yet to say nothing: these are the first claims, and a moment old."""
    ages = [_age_seconds(seen, claim) for claim in waiting]
    if seen.workspace.status.conditions or any(age < 0 for age in ages):
        return 0.0
    return _SILENCE_SECONDS - max(ages, default=0.0)


def _moves(seen: Observed, waiting: Iterable[Claim]) -> bool:
    """Whether people know that claims are waited for, and one has just come a stage further."""
    said = condition(seen.workspace.status.conditions, claims_ready(seen))
    moments = [
        each.last_transition_time
        for claim in waiting
        for each in claim.status.conditions
        if each.last_transition_time
    ]
    return (
        said is not None
        and said.reason == Reason.WAITING_FOR_MACHINES
        and said.observed_generation == seen.workspace.metadata.generation
        and any(0 <= (seen.now - moment).total_seconds() < _STAGE_SECONDS for moment in moments)
    )


def _age_seconds(seen: Observed, claim: Claim) -> float:
    """How long a claim has been there; of one that does not say so, very long."""
    since = claim.metadata.creation_timestamp
    return (seen.now - since).total_seconds() if since else float("inf")


def _is_lasting(seen: Observed, failed: Iterable[Claim]) -> bool:
    """Whether a person has to act: capacity may come back by itself, a lost node is replaced."""
    away = {one.claim.metadata.name for one in _missed(seen)}
    return any(
        claim_failure(claim)[0] not in PASSING and claim.metadata.name not in away
        for claim in failed
    )
