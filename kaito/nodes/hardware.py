"""What GPUs a workspace gets: the type that it names or the smallest that fits, as measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.kube.kinds import Node
from kaito.nodes.attempts import unobtainable_types
from kaito.nodes.selection import named_types, suitable_nodes
from kaito.sizing.answer import Fit
from kaito.sizing.choice import smallest
from kaito.sizing.fit import fit
from kaito.sizing.tuning import tuning_fit

_MIB_PER_GIB = 1024


def instance_type(
    workspace: Workspace, preset: Preset | None, skus: Mapping[str, Sku]
) -> str | None:
    """The instance type to ask for now: the first acceptable one that may still be had.

    Returns:
        Its name; None where the spec names none and none fits.
    """
    types = acceptable_types(workspace, preset, skus)
    gone = unobtainable_types(workspace.status.attempts)
    return next((name for name in types if name not in gone), types[-1] if types else None)


def acceptable_types(
    workspace: Workspace, preset: Preset | None, skus: Mapping[str, Sku]
) -> tuple[str, ...]:
    """Instance types that the spec names, else the smallest still sold that fits.

    A choice once made is recorded in the status and stays, whatever the table says later. Of a
    template (no preset) nobody knows what fits.
    """
    named = named_types(workspace)
    if named or workspace.status.instance_type:
        return named or (workspace.status.instance_type or "",)
    if preset is None:
        return ()
    found = smallest(skus.values(), lambda sku: verdict(workspace, preset, sku))
    return (found.sku,) if found else ()


def fit_on(sku: Sku, workspace: Workspace, preset: Preset, nodes: Iterable[Node]) -> Fit:
    """Whether the workspace's model fits nodes of `sku`, as those of the cluster are labelled."""
    return verdict(workspace, preset, measured(sku, suitable_nodes(workspace, nodes)))


def verdict(workspace: Workspace, preset: Preset, sku: Sku) -> Fit:
    """Whether `preset` can be served, or tuned, as the workspace asks, on nodes of `sku`."""
    if workspace.tuning:
        is_quantized = workspace.tuning.method.lower() == "qlora"
        return tuning_fit(preset, sku, method="qlora" if is_quantized else "lora")
    return fit(preset, sku, nodes=workspace.resource.count)


def measured(sku: Sku, nodes: Iterable[Node]) -> Sku:
    """The type as GPU feature discovery has labelled nodes of it, which knows better than a table.

    Of several nodes, the least of each figure; of none, or of nodes without labels, the table's.
    """
    told = [found for node in nodes if (found := _told(sku, node.metadata.labels))]
    if not told:
        return sku
    counts, memories = zip(*told, strict=True)
    return sku.model_copy(update={"gpus": min(counts), "gpu_memory_gib": min(memories)})


def _told(sku: Sku, carried: Mapping[str, str]) -> tuple[int, float] | None:
    """Count of GPUs and GiB of each that a node's labels state; None where they do not."""
    count, mib = carried.get(labels.GPU_COUNT, ""), carried.get(labels.GPU_MEMORY, "")
    if carried.get(labels.INSTANCE_TYPE) != sku.name or not (count.isdecimal() and mib.isdecimal()):
        return None
    return (int(count), int(mib) / _MIB_PER_GIB) if int(count) and int(mib) else None
