"""Phases that see to the nodes: ask for what is missing, wait until all are ready."""

from __future__ import annotations

from kaito.api.machine import MACHINES
from kaito.api.reasons import Reason
from kaito.api.workspace import MACHINE_READY, RESOURCE_READY
from kaito.catalog.preset import Preset
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Action, Create, Step, done, hold
from kaito.kube.kinds import Node
from kaito.nodes.claim import ClaimState, claim_name, claim_stage, claim_state, rendered_claim
from kaito.nodes.selection import gpus, is_created_for, usable_nodes
from kaito.workloads.image import preset_of


def chosen_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes that the workspace runs on, at most as many as it wants."""
    return usable_nodes(seen.workspace, seen.nodes)[: seen.workspace.resource.count]


def brought_nodes(seen: Observed) -> tuple[Node, ...]:
    """Usable nodes that were not created for this workspace."""
    usable = usable_nodes(seen.workspace, seen.nodes)
    return tuple(node for node in usable if not is_created_for(seen.workspace, node))


def model(seen: Observed) -> Preset:
    """The preset of a workspace whose spec has been checked."""
    wanted = preset_of(seen.workspace)
    return seen.catalog.presets[wanted.name if wanted else ""]


def ensure_claims(seen: Observed) -> Step:
    """A claim exists, and is ready, for every node that the user does not bring."""
    missing = max(0, seen.workspace.resource.count - len(brought_nodes(seen)))
    uid = seen.workspace.metadata.uid
    wanted = {claim_name(uid, ordinal): ordinal for ordinal in range(missing)}
    have = {claim.metadata.name: claim for claim in seen.claims}
    creations: tuple[Action, ...] = tuple(
        Create(MACHINES, rendered_claim(seen.workspace, model(seen), ordinal=ordinal))
        for name, ordinal in wanted.items()
        if name not in have
    )
    if creations:
        names = ", ".join(sorted(set(wanted) - set(have)))
        return hold(MACHINE_READY, Reason.CREATING_MACHINES, f"creating {names}", *creations)
    waiting = [have[name] for name in sorted(wanted) if not _is_ready(seen, name)]
    if not waiting:
        return done(MACHINE_READY, Reason.MACHINES_READY, _machines_ready(len(wanted)))
    failed = any(claim_state(claim) is ClaimState.FAILED for claim in waiting)
    reason = Reason.MACHINE_FAILED if failed else Reason.WAITING_FOR_MACHINES
    return hold(MACHINE_READY, reason, "; ".join(claim_stage(claim) for claim in waiting))


def await_nodes(seen: Observed) -> Step:
    """Enough nodes are ready, and their GPUs can be asked for."""
    wanted = seen.workspace.resource.count
    chosen = chosen_nodes(seen)
    if len(chosen) < wanted:
        return hold(
            RESOURCE_READY,
            Reason.NODES_NOT_READY,
            f"{len(chosen)} of {wanted} nodes are ready and carry the selector's labels",
        )
    without = [node.metadata.name for node in chosen if gpus(node) == 0]
    if without:
        return hold(
            RESOURCE_READY,
            Reason.NODES_NOT_READY,
            f"{', '.join(without)} offers no nvidia.com/gpu yet: the device plugin reports it",
        )
    return done(RESOURCE_READY, Reason.NODES_READY, f"{wanted} of {wanted} nodes are ready")


def _is_ready(seen: Observed, name: str) -> bool:
    """Whether the claim of that name is ready."""
    return any(
        claim.metadata.name == name and claim_state(claim) is ClaimState.READY
        for claim in seen.claims
    )


def _machines_ready(count: int) -> str:
    """The sentence about claims that are all ready."""
    return f"{count} machines are ready" if count else "the nodes were there already"
