"""Which of a workspace's claims count, which are to go, and which nodes none stands for."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.controllers.workspace.nodes import brought_nodes, chosen_nodes
from kaito.controllers.workspace.observe import Observed, once
from kaito.nodes.attempts import is_spent
from kaito.nodes.claim import Claim, claim_place
from kaito.nodes.uptake import is_launched


@dataclass(frozen=True, slots=True)
class Roster:
    """Every claim is either wanted or surplus.

    Attributes:
        needed: how many claims are to be ready.
        wanted: claims that have a machine, or are to get one, or another in their place.
        spent: of the wanted, those whose failure stands in the status: they are to be given back.
        surplus: claims without a machine, whose place a node that the user brought has taken.
        missing: ordinals of the nodes that a claim is to be created for.
    """

    needed: int
    wanted: tuple[Claim, ...]
    spent: tuple[Claim, ...]
    surplus: tuple[Claim, ...]
    missing: tuple[int, ...]


@once
def roster(seen: Observed) -> Roster:
    """The claims of a workspace that comes up, or is up."""
    attempts, needed = seen.workspace.status.attempts, _needed(seen)
    is_complete = _is_complete(seen)
    wanted = tuple(claim for claim in seen.claims if not is_complete or is_launched(claim))
    return Roster(
        needed=needed,
        wanted=wanted,
        spent=tuple(claim for claim in wanted if is_spent(claim, attempts)),
        surplus=tuple(claim for claim in seen.claims if claim not in wanted),
        missing=_free_ordinals(seen)[: max(0, needed - len(seen.claims))],
    )


def _needed(seen: Observed) -> int:
    """Nodes that have to be asked for; where none is bought, those that have been before."""
    missing = max(0, seen.workspace.resource.count - len(brought_nodes(seen)))
    if seen.options.buys:
        return missing
    attempts = seen.workspace.status.attempts
    return min(missing, sum(not is_spent(claim, attempts) for claim in seen.claims))


def _is_complete(seen: Observed) -> bool:
    """Whether the workspace runs on all its nodes, and its status says so, too."""
    chosen = {node.metadata.name for node in chosen_nodes(seen)}
    is_whole = len(chosen) == seen.workspace.resource.count
    return is_whole and chosen <= set(seen.workspace.status.worker_nodes)


def _free_ordinals(seen: Observed) -> tuple[int, ...]:
    """Nodes that no claim stands for."""
    taken = {claim_place(claim)[0] for claim in seen.claims}
    return tuple(each for each in range(seen.workspace.resource.count) if each not in taken)
