"""Phase await_nodes, and which nodes a workspace runs on."""

from __future__ import annotations

from dataclasses import replace

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import MACHINE_READY, NODE_CLAIM_READY, RESOURCE_READY
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.controllers.workspace.observe import ENDED, Observed, once
from kaito.controllers.workspace.shortage import SHORTAGE_SECONDS, misfit, shortage
from kaito.controllers.workspace.step import Step, done, hold
from kaito.kube.kinds import Node
from kaito.nodes.hardware import fit_on, is_bypassed
from kaito.nodes.loss import absence, unready_since
from kaito.nodes.report import Measured, measured
from kaito.nodes.selection import (
    gpus,
    is_created_for,
    is_held_by,
    is_usable,
    named_types,
    suitable_nodes,
)
from kaito.workloads.image import preset_of


@once
def chosen_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes that the workspace runs on, at most as many as it wants; those with its pods first."""
    usable = [node for node in free_nodes(seen) if is_usable(node)]
    usable.sort(key=lambda node: node.metadata.name not in homes(seen))
    return tuple(usable[: seen.workspace.resource.count])


@once
def homes(seen: Observed) -> frozenset[str]:
    """Names of the nodes that pods of the workspace are on, those that have ended left out."""
    return frozenset(pod.spec.node_name for pod in seen.pods if pod.status.phase not in ENDED)


@once
def brought_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes that the user brings: usable ones, and those in use that are away for a while.

    A node that misses a heartbeat comes back; a GPU node that was bought in its place stays.
    """
    return tuple(
        node
        for node in free_nodes(seen)
        if not is_created_for(seen.workspace, node) and (is_usable(node) or _is_in_use(seen, node))
    )


def _is_in_use(seen: Observed, node: Node) -> bool:
    """Whether a node was chosen before, as it says itself or the status does."""
    workspace = seen.workspace
    return is_held_by(workspace, node) or node.metadata.name in workspace.status.worker_nodes


def wanted_gpus(seen: Observed) -> int:
    """GPUs that each pod asks for: all of its node.

    What a node can give away at this moment would change the pods whenever a GPU is unwell; it
    counts only where the nodes are of several types.
    """
    sku = wanted_sku(seen)
    return sku.gpus if sku else min(gpus(node) for node in chosen_nodes(seen))


def wanted_sku(seen: Observed) -> Sku | None:
    """The type of the nodes that the workspace runs on; None where nobody knows it."""
    found = _launched(seen)
    return found.sku if found else None


@once
def _launched(seen: Observed) -> Measured | None:
    """The type that pods are rendered for.

    The count of GPUs is what the nodes say; the memory is the table's, where it has the type,
    because feature discovery may come late and pods must not roll when it does.
    """
    chosen = chosen_nodes(seen)
    types = sorted({node.metadata.labels.get(labels.INSTANCE_TYPE, "") for node in chosen})
    if len(types) != 1:
        return None
    found = measured(types[0], seen.catalog.skus, chosen, seen.claims)
    known = seen.catalog.skus.get(types[0])
    if found is None or known is None:
        return found
    by = found.by if found.sku.gpus != known.gpus else ""
    return Measured(known.model_copy(update={"gpus": found.sku.gpus}), by)


def type_as_it_is(seen: Observed, name: str) -> Measured | None:
    """A type as the cluster and the table have it together; None where neither knows it."""
    nodes = suitable_nodes(seen.workspace, seen.nodes)
    return measured(name, seen.catalog.skus, nodes, seen.claims)


def claims_ready(seen: Observed) -> str:
    """The condition type that speaks for the claims."""
    return NODE_CLAIM_READY if seen.options.node_class else MACHINE_READY


@once
def free_nodes(seen: Observed) -> tuple[Node, ...]:
    """Suitable nodes, large enough, that no other workspace was there first to choose."""
    suitable = suitable_nodes(seen.workspace, seen.nodes)
    free = (node for node in suitable if node.metadata.name not in seen.taken)
    return tuple(node for node in free if not _is_too_small(seen, node))


def _is_too_small(seen: Observed, node: Node) -> bool:
    """Whether a node that is neither ours nor named in any way is known not to hold the model."""
    workspace, name = seen.workspace, node.metadata.name
    if named_types(workspace) or name in workspace.resource.preferred_nodes:
        return False
    if is_created_for(workspace, node) or is_bypassed(workspace):
        return False
    preset = model(seen)
    type_ = node.metadata.labels.get(labels.INSTANCE_TYPE, "")
    found = measured(type_, seen.catalog.skus, (node,))
    return bool(preset and found and not fit_on(found, workspace, preset).fits)


@once
def model(seen: Observed) -> Preset | None:
    """The preset of a workspace; None where it brings a template, or the catalogue has none."""
    wanted = preset_of(seen.workspace)
    return seen.catalog.presets.get(wanted.name) if wanted else None


def await_nodes(seen: Observed) -> Step:
    """Enough nodes are ready, and their GPUs can be asked for."""
    wanted = seen.workspace.resource.count
    chosen = chosen_nodes(seen)
    if len(chosen) < wanted and not seen.options.buys:
        said = shortage(seen, chosen=chosen, free=free_nodes(seen))
        step = hold(RESOURCE_READY, Reason.NODES_NOT_READY, said)
        return replace(step, recheck_seconds=SHORTAGE_SECONDS)
    if len(chosen) < wanted:
        short = f"{len(chosen)} of {wanted} nodes are ready and carry the selector's labels"
        if said := misfit(seen):
            return hold(RESOURCE_READY, Reason.INVALID_SPEC, f"{short}; {said}")
        return hold(RESOURCE_READY, Reason.NODES_NOT_READY, f"{short}{_away(seen)}")
    without = [node.metadata.name for node in chosen if gpus(node) == 0]
    if without:
        return hold(
            RESOURCE_READY,
            Reason.NODES_NOT_READY,
            f"{', '.join(without)} offers no nvidia.com/gpu yet: the device plugin reports it",
        )
    message = f"{wanted} of {wanted} nodes are ready{_sentence(seen)}"
    return done(RESOURCE_READY, Reason.NODES_READY, message)


def _away(seen: Observed) -> str:
    """Which nodes in use are away, and what becomes of them; "" where none is."""
    said = []
    for node in free_nodes(seen):
        name, since = node.metadata.name, unready_since(node)
        if since and is_created_for(seen.workspace, node):
            said.append(f"; {absence(name, since)}: another follows if it does not come back")
        elif _is_in_use(seen, node) and not is_usable(node):
            why = absence(name, since) if since else f"node {name} is cordoned"
            said.append(f"; {why}: mend it, or delete it and another is created")
    return "".join(said)


def _sentence(seen: Observed) -> str:
    """How the model fits: what the command line says too, and what the refusal would have said."""
    preset, found = model(seen), _launched(seen)
    if preset is None or found is None:
        return ""
    answer, count = fit_on(found, seen.workspace, preset), seen.workspace.resource.count
    copies = f"; each of the {count} nodes runs a copy" if answer.nodes == 1 < count else ""
    return f": {answer.sentence}{copies}"
