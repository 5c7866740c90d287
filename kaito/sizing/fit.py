"""Whether a model can be served on an instance type, and how it is cut over the GPUs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from kaito.catalog.geometry import Geometry
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit, counted, foreign_fit, gib, old_fit, refusal, retirement
from kaito.sizing.layout import MAX_NODES, Layout, layouts
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS, held_tokens
from kaito.sizing.need import (
    needed_gib,
    outdated,
    server_parallel,
    serving_need,
    serving_offer,
    serving_requirements,
    widest,
)
from kaito.sizing.precision import dtype
from kaito.sizing.stated import stated_fit


def fit(
    preset: Preset, sku: Sku, *, nodes: int | None = None, tokens: int = LEAST_CONTEXT_TOKENS
) -> Fit:
    """Whether `preset` can be served on nodes of `sku`.

    Args:
        preset: its first image says how several GPUs are used.
        sku: what one node offers.
        nodes: how many there are, >= 1: the model is on each of them, or spread over all. None: as
            few as suffice, at most `MAX_NODES`.
        tokens: the least context, in tokens; a model with less needs only its own.

    Returns:
        The fewest nodes that hold the least context; on them the layout with the fewest GPUs
        that holds the model's whole context, else the one with the most context.
    """
    return _fit(preset, sku, nodes, tokens)


@lru_cache(1024)
def _fit(preset: Preset, sku: Sku, nodes: int | None, tokens: int) -> Fit:
    """The answer, which every look at a workspace asks for again, a dozen times."""
    if not sku.has_cuda:
        return foreign_fit(preset.name, sku)
    if (least := outdated(preset, sku)) is not None:
        return old_fit(preset.name, sku, least=least)
    parallel = server_parallel(preset)
    most = nodes or (MAX_NODES if preset.spans_nodes else 1)
    if preset.geometry is None:
        needs = serving_requirements(preset)
        counts = _counts(preset, nodes, most=most)
        answer = stated_fit(preset.name, needs, sku, counts=counts, most=most, verb="serve")
        return replace(answer, dtype=dtype(preset, sku) if answer.fits else "")
    least = min(tokens, preset.geometry.context_tokens)
    for count in _counts(preset, nodes, most=most):
        holding = [
            layout
            for layout in layouts(preset.geometry, parallel, gpus=sku.gpus, nodes=count)
            if held_tokens(preset.geometry, layout, sku) >= least
        ]
        if holding:
            return _accepted(preset, preset.geometry, sku, holding, least)
    return _refused(preset, preset.geometry, sku, most=most, tokens=least)


def _counts(preset: Preset, nodes: int | None, *, most: int) -> tuple[int, ...]:
    """On how many nodes a model is tried; of nodes that somebody pays for none is left idle."""
    if not preset.spans_nodes:
        return (1,)
    return tuple(range(1, most + 1)) if nodes is None else tuple(sorted({1, nodes}))


def _accepted(
    preset: Preset, geometry: Geometry, sku: Sku, holding: list[Layout], least: int
) -> Fit:
    """The answer where `holding`, fewest GPUs first, all hold the least context."""
    # Stages on one node wait for each other: only where tensor parallel alone does not do.
    # Of equals, max keeps the first: the fewest GPUs.
    stages = min(layout.stages for layout in holding)
    flattest = [layout for layout in holding if layout.stages == stages]
    chosen = max(flattest, key=lambda layout: held_tokens(geometry, layout, sku))
    context = held_tokens(geometry, chosen, sku)
    lowered = context < geometry.context_tokens
    length = (
        f"its context is lowered from {geometry.context_tokens} to {context} tokens"
        if lowered
        else f"with its whole context of {context} tokens"
    )
    place = f"{counted(chosen.nodes, 'node')} of {sku.name}"
    used = f"{chosen.gpus} of {counted(chosen.nodes * sku.gpus, 'GPU')}"
    needed = needed_gib(geometry, chosen, tokens=least)
    return Fit(
        preset.name,
        sku.name,
        fits=True,
        sentence=(
            f"{preset.name} fits {place}: it uses {used}, needs {gib(needed)} of"
            f" {gib(sku.gpu_memory_gib)} on each for {least} tokens; {length}{retirement(sku)}"
        ),
        basis="geometry",
        nodes=chosen.nodes,
        gpus=chosen.gpus,
        least_gpus=holding[0].gpus,
        tensor_parallel=chosen.tensor,
        pipeline_parallel=chosen.pipeline,
        context_tokens=context,
        dtype=dtype(preset, sku),
        gpu_memory_gib=sku.gpu_memory_gib,
        needed_gib=needed,
    )


def _refused(preset: Preset, geometry: Geometry, sku: Sku, *, most: int, tokens: int) -> Fit:
    """The answer where no layout holds enough; its figures are those of the widest one."""
    parallel = server_parallel(preset)
    best = widest(geometry, parallel, gpus=sku.gpus, nodes=most, tokens=tokens)
    need = serving_need(preset, gpus=sku.gpus, nodes=most, tokens=tokens)
    return Fit(
        preset.name,
        sku.name,
        fits=False,
        sentence=refusal(need, serving_offer(preset, sku)),
        basis="geometry",
        gpu_memory_gib=sku.gpu_memory_gib,
        needed_gib=needed_gib(geometry, best, tokens=tokens),
    )
