"""Phases that see to the nodes: ask for what is missing, wait until all are ready."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.reasons import Reason
from kaito.api.workspace import MACHINE_READY, RESOURCE_READY
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Create, Step, done, hold
from kaito.kube.kinds import Node
from kaito.kube.objects import Manifest
from kaito.nodes.claim import ClaimState, claim_name, claim_stage, claim_state, rendered_claim
from kaito.nodes.hardware import fit_on, instance_type
from kaito.nodes.selection import gpus, is_created_for, is_usable, suitable_nodes
from kaito.workloads.image import preset_of


def chosen_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes that the workspace runs on, at most as many as it wants."""
    usable = [node for node in _free_nodes(seen) if is_usable(node)]
    return tuple(usable[: seen.workspace.resource.count])


def brought_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes that the user brings: usable ones, and those in use that are away for a while.

    A node that misses a heartbeat comes back; a GPU node that was bought in its place stays.
    """
    in_use = seen.workspace.status.worker_nodes
    return tuple(
        node
        for node in _free_nodes(seen)
        if not is_created_for(seen.workspace, node)
        and (is_usable(node) or node.metadata.name in in_use)
    )


def is_dedicated(seen: Observed) -> bool:
    """Whether every node that the workspace runs on was created for it."""
    return all(is_created_for(seen.workspace, node) for node in chosen_nodes(seen))


def wanted_gpus(seen: Observed) -> int:
    """GPUs that each pod asks for: all of its node.

    The instance type says how many. What a node offers at this moment would change the pods
    whenever a GPU is unwell; it counts only for nodes of another type, which the user prefers.
    """
    sku = wanted_sku(seen)
    return sku.gpus if sku else min(gpus(node) for node in chosen_nodes(seen))


def wanted_sku(seen: Observed) -> Sku | None:
    """The type that the nodes were to have, as the table knows it; None where they have another."""
    wanted = instance_type(seen.workspace, model(seen), seen.catalog.skus) or ""
    types = {node.metadata.labels.get(labels.INSTANCE_TYPE) for node in chosen_nodes(seen)}
    return seen.catalog.skus.get(wanted) if types == {wanted} else None


def _free_nodes(seen: Observed) -> tuple[Node, ...]:
    """Suitable nodes that no other workspace was there first to choose."""
    suitable = suitable_nodes(seen.workspace, seen.nodes)
    return tuple(node for node in suitable if node.metadata.name not in seen.taken)


def model(seen: Observed) -> Preset:
    """The preset of a workspace whose spec has been checked."""
    wanted = preset_of(seen.workspace)
    return seen.catalog.presets[wanted.name if wanted else ""]


def ensure_claims(seen: Observed) -> Step:
    """A claim exists, and is ready, for every node that the user does not bring.

    A claim that exists keeps its place, whatever nodes turn up beside it.
    """
    needed = max(0, seen.workspace.resource.count - len(brought_nodes(seen)))
    missing = _missing(seen, needed)
    if missing:
        uid = seen.workspace.metadata.uid
        type_ = instance_type(seen.workspace, model(seen), seen.catalog.skus)
        creations = (
            Create(MACHINES, _claim(seen, ordinal=ordinal, instance_type=type_), uid)
            for ordinal in missing.values()
        )
        names = ", ".join(sorted(missing))
        message = f"creating {names} of type {type_}"
        return hold(MACHINE_READY, Reason.CREATING_MACHINES, message, *creations)
    states = {claim.metadata.name: claim_state(claim) for claim in seen.claims}
    if list(states.values()).count(ClaimState.READY) >= needed:
        return done(MACHINE_READY, Reason.MACHINES_READY, _machines_ready(needed))
    waiting = [
        claim for claim in seen.claims if states[claim.metadata.name] is not ClaimState.READY
    ]
    is_failed = ClaimState.FAILED in states.values()
    reason = Reason.MACHINE_FAILED if is_failed else Reason.WAITING_FOR_MACHINES
    return hold(MACHINE_READY, reason, "; ".join(claim_stage(claim) for claim in waiting))


def _claim(seen: Observed, *, ordinal: int, instance_type: str | None) -> Manifest:
    """The claim for one of the nodes."""
    return rendered_claim(seen.workspace, model(seen), ordinal=ordinal, instance_type=instance_type)


def _missing(seen: Observed, needed: int) -> dict[str, int]:
    """Ordinals of the claims that are to be created, by their names."""
    uid = seen.workspace.metadata.uid
    have = {claim.metadata.name for claim in seen.claims}
    free = {claim_name(uid, ordinal): ordinal for ordinal in range(needed)}
    names = [name for name in free if name not in have][: max(0, needed - len(have))]
    return {name: free[name] for name in names}


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
    message = f"{wanted} of {wanted} nodes are ready: {_sentence(seen)}"
    return done(RESOURCE_READY, Reason.NODES_READY, message)


def _sentence(seen: Observed) -> str:
    """How the model fits: what the command line says too, and what the refusal would have said."""
    type_ = instance_type(seen.workspace, model(seen), seen.catalog.skus)
    return fit_on(seen.catalog.skus[type_ or ""], seen.workspace, model(seen), seen.nodes).sentence


def _machines_ready(count: int) -> str:
    """The sentence about claims that are all ready."""
    return f"{count} machines are ready" if count else "the nodes were there already"
