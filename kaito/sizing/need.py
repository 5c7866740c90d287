"""What a model needs and what a node offers, in words: the two halves of a refusal."""

from __future__ import annotations

from kaito.catalog.geometry import GIB, Geometry
from kaito.catalog.preset import Preset, Requirements
from kaito.catalog.sku import Sku
from kaito.sizing.answer import counted, gib, hardware
from kaito.sizing.layout import Layout, Parallel, layouts
from kaito.sizing.memory import (
    LEAST_CONTEXT_TOKENS,
    RUNTIME_BYTES,
    needed_bytes,
    usable_bytes,
)
from kaito.sizing.sentences import AUTHORS


def serving_need(
    preset: Preset, *, gpus: int, nodes: int, tokens: int = LEAST_CONTEXT_TOKENS
) -> str:
    """What serving needs on nodes with so many GPUs, cut as far as its server can cut it.

    Args:
        preset: its first image says how several GPUs are used.
        gpus: of one node.
        nodes: most nodes to use.
        tokens: the least context; a model with less needs only its own.
    """
    amount = serving_amount(preset, gpus=gpus, nodes=nodes, tokens=tokens)
    limit = serving_limit(preset) if gpus > 1 else ""
    return f"{preset.name} needs {amount}{serving_purpose(preset, tokens=tokens)}{limit}"


def serving_amount(preset: Preset, *, gpus: int, nodes: int, tokens: int) -> str:
    """How much that is; the other arguments are those of `serving_need`."""
    if preset.geometry is None:
        return stated_amount(serving_requirements(preset), nodes=nodes, verb="serve")
    least = min(tokens, preset.geometry.context_tokens)
    parallel = server_parallel(preset)
    best = widest(preset.geometry, parallel, gpus=gpus, nodes=nodes, tokens=least)
    over = f" over {counted(best.gpus, 'GPU')}" if best.gpus > 1 else ""
    needed = gib(needed_gib(preset.geometry, best, tokens=least))
    return f"{needed} on each GPU{over}{_spread(best.nodes)}"


def serving_purpose(preset: Preset, *, tokens: int) -> str:
    """What that is for; where only the authors know, that the figure is theirs."""
    if preset.geometry is None:
        return AUTHORS
    least = min(tokens, preset.geometry.context_tokens)
    return f" for its weights, {least} tokens and the run-time"


def serving_limit(preset: Preset) -> str:
    """Why more GPUs on a node do not help, "" where they do or nobody knows."""
    is_limited = preset.geometry is not None and server_parallel(preset) == "none"
    return " (its server uses one GPU)" if is_limited else ""


def stated_need(model: str, needs: Requirements, *, nodes: int, verb: str) -> str:
    """What the authors ask for, on so many nodes."""
    return f"{model} needs {stated_amount(needs, nodes=nodes, verb=verb)}{AUTHORS}"


def stated_amount(needs: Requirements, *, nodes: int, verb: str) -> str:
    """How much the authors ask for."""
    return f"{wish(needs)} to {verb}{_spread(nodes)}"


def _spread(nodes: int) -> str:
    """Over how many nodes, where it is more than one."""
    return f" on {nodes} nodes" if nodes > 1 else ""


def serving_offer(preset: Preset, sku: Sku) -> str:
    """What one node has to serve a model with."""
    if preset.geometry is None:
        return hardware(sku, nodes=1)
    return usable_offer(sku)


def usable_offer(sku: Sku) -> str:
    """What one node has, and how much of it a server may use."""
    usable = gib((usable_bytes(sku) + RUNTIME_BYTES) / GIB)
    return f"{hardware(sku, nodes=1)}, of which {usable} can be used"


def server_parallel(preset: Preset) -> Parallel:
    """How the server that would run uses several GPUs; "none" where there is no image."""
    return preset.image.parallel if preset.images else "none"


def outdated(preset: Preset, sku: Sku) -> float | None:
    """The compute capability that the server needs, where the type's GPUs have less."""
    least = preset.image.compute_capability if preset.images else None
    if least is None or sku.compute_capability is None or sku.compute_capability >= least:
        return None
    return least


def serving_requirements(preset: Preset) -> Requirements:
    """What the authors ask for; on a single GPU, where the server uses no more.

    Raises:
        ValueError: they say nothing.
    """
    needs = preset.inference
    if needs is None:
        raise ValueError(f"{preset.name}: neither geometry nor a stated requirement")
    if server_parallel(preset) != "none":
        return needs
    most = max(needs.total_gpu_memory_gib, needs.per_gpu_memory_gib)
    return Requirements(gpu_count=1, total_gpu_memory_gib=most, per_gpu_memory_gib=most)


def widest(geometry: Geometry, parallel: Parallel, *, gpus: int, nodes: int, tokens: int) -> Layout:
    """The layout that asks the least of each GPU, on at most so many nodes."""
    found = [
        layout
        for count in range(1, nodes + 1)
        for layout in layouts(geometry, parallel, gpus=gpus, nodes=count)
    ]
    return min(found, key=lambda layout: needed_bytes(geometry, layout, tokens=tokens))


def needed_gib(geometry: Geometry, layout: Layout, *, tokens: int) -> float:
    """Memory of the fullest GPU with the run-time's own, in GiB."""
    return (needed_bytes(geometry, layout, tokens=tokens) + RUNTIME_BYTES) / GIB


def wish(needs: Requirements) -> str:
    """What is asked for, e.g. "2 GPUs and 90 GiB of GPU memory"."""
    if needs.gpu_count == 1 and needs.per_gpu_memory_gib == needs.total_gpu_memory_gib:
        return f"one GPU with {gib(needs.total_gpu_memory_gib)}"
    each = f" ({gib(needs.per_gpu_memory_gib)} on each)" if needs.per_gpu_memory_gib else ""
    total = gib(needs.total_gpu_memory_gib)
    return f"{counted(needs.gpu_count, 'GPU')} and {total} of GPU memory{each}"
