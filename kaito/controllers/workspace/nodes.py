"""Phase await_nodes, and which nodes a workspace runs on."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import MACHINE_READY, NODE_CLAIM_READY, RESOURCE_READY
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Step, done, hold
from kaito.kube.kinds import Node
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


def claims_ready(seen: Observed) -> str:
    """The condition type that speaks for the claims."""
    return NODE_CLAIM_READY if seen.options.node_class else MACHINE_READY


def _free_nodes(seen: Observed) -> tuple[Node, ...]:
    """Suitable nodes that no other workspace was there first to choose."""
    suitable = suitable_nodes(seen.workspace, seen.nodes)
    return tuple(node for node in suitable if node.metadata.name not in seen.taken)


def model(seen: Observed) -> Preset | None:
    """The preset of a workspace whose spec has been checked; None where it brings a template."""
    wanted = preset_of(seen.workspace)
    return seen.catalog.presets[wanted.name] if wanted else None


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
    message = f"{wanted} of {wanted} nodes are ready{_sentence(seen)}"
    return done(RESOURCE_READY, Reason.NODES_READY, message)


def _sentence(seen: Observed) -> str:
    """How the model fits: what the command line says too, and what the refusal would have said."""
    preset = model(seen)
    sku = seen.catalog.skus.get(instance_type(seen.workspace, preset, seen.catalog.skus) or "")
    if preset is None or sku is None:
        return ""
    return f": {fit_on(sku, seen.workspace, preset, seen.nodes).sentence}"
