"""Which of a workspace's claims count, which are to go, and which nodes none stands for."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api.workspace import READY
from kaito.controllers.workspace.nodes import brought_nodes, chosen_nodes, homes
from kaito.controllers.workspace.observe import Observed, once
from kaito.kube.conditions import is_true
from kaito.nodes.attempts import is_given_up, is_spent
from kaito.nodes.claim import Claim, claim_place
from kaito.nodes.selection import is_created_for
from kaito.nodes.uptake import is_launched


@dataclass(frozen=True, slots=True)
class Roster:
    """Every claim is either wanted or surplus.

    Attributes:
        needed: how many claims are to be ready.
        wanted: claims that have a machine, or are to get one, or another in their place.
        spent: those whose failure stands in the status: they are to be given back.
        surplus: claims whose place a node that the user brought has taken.
        mislaid: claims that have lost their label, and stand for a node all the same.
        missing: ordinals of the nodes that a claim is to be created for.
    """

    needed: int
    wanted: tuple[Claim, ...]
    spent: tuple[Claim, ...]
    surplus: tuple[Claim, ...]
    mislaid: tuple[Claim, ...]
    missing: tuple[int, ...]


@once
def roster(seen: Observed) -> Roster:
    """The claims of a workspace that comes up, or is up."""
    attempts, needed = seen.workspace.status.attempts, _needed(seen)
    surplus = _surplus(seen)
    wanted = tuple(claim for claim in seen.claims if claim not in surplus)
    mislaid = tuple(claim for claim in seen.stripped if claim not in surplus)
    there = len(seen.claims) + len(seen.stripped)
    return Roster(
        needed=needed,
        wanted=wanted,
        spent=tuple(claim for claim in (*wanted, *mislaid) if is_spent(claim, attempts)),
        surplus=surplus,
        mislaid=mislaid if needed > len(seen.claims) else (),
        missing=_free_ordinals(seen)[: max(0, needed - there)],
    )


def _needed(seen: Observed) -> int:
    """Nodes that have to be asked for; where none is bought, those that have been before."""
    missing = max(0, seen.workspace.resource.count - len(brought_nodes(seen)))
    if seen.options.buys:
        return missing
    attempts = seen.workspace.status.attempts
    before = (*seen.claims, *seen.stripped)
    return min(missing, sum(not is_spent(claim, attempts) for claim in before))


def _surplus(seen: Observed) -> tuple[Claim, ...]:
    """Claims that a workspace does without which runs on all its nodes.

    A machine that was bought is given back once the model answers without it, and no pod of the
    workspace is anywhere but on the nodes that were chosen; what goes already stays unmissed.
    """
    if not _is_complete(seen):
        return ()
    settled = _is_settled(seen)
    return tuple(
        claim
        for claim in (*seen.claims, *seen.stripped)
        if not is_launched(claim)
        or (not _may_be_chosen(seen, claim) and (settled or claim.is_deleting))
    )


def _is_settled(seen: Observed) -> bool:
    """Whether the model answers, from the nodes that were chosen and from no other."""
    on, chosen = homes(seen), {node.metadata.name for node in chosen_nodes(seen)}
    return is_true(seen.workspace.status.conditions, READY) and bool(on) and on <= chosen


def _may_be_chosen(seen: Observed, claim: Claim) -> bool:
    """Whether the node of a claim is chosen; while one that was bought is nobody's, it may be."""
    bought = {
        node.metadata.name for node in chosen_nodes(seen) if is_created_for(seen.workspace, node)
    }
    told = {each.status.node_name for each in (*seen.claims, *seen.stripped)}
    return claim.status.node_name in bought or not bought <= told


def _is_complete(seen: Observed) -> bool:
    """Whether the workspace runs on all its nodes, and its status says so, too."""
    chosen = {node.metadata.name for node in chosen_nodes(seen)}
    is_whole = len(chosen) == seen.workspace.resource.count
    return is_whole and chosen <= set(seen.workspace.status.worker_nodes)


def _free_ordinals(seen: Observed) -> tuple[int, ...]:
    """Nodes that no claim stands for; those come last for which as many were tried as may be."""
    taken = {claim_place(claim)[0] for claim in (*seen.claims, *seen.stripped)}
    free = (each for each in range(seen.workspace.resource.count) if each not in taken)
    attempts = seen.workspace.status.attempts
    return tuple(sorted(free, key=lambda ordinal: is_given_up(attempts, ordinal)))
