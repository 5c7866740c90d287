"""Whether a model fits by what its authors ask for: the only figures where no geometry is known."""

from __future__ import annotations

from collections.abc import Sequence

from kaito.catalog.preset import Requirements
from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit, counted, hardware, refusal, retirement
from kaito.sizing.need import stated_need, wish
from kaito.sizing.sentences import AUTHORS


def stated_fit(
    model: str, needs: Requirements, sku: Sku, *, counts: Sequence[int], most: int, verb: str
) -> Fit:
    """Whether nodes of `sku` have what `needs` asks for; context is not computed.

    Args:
        model: name of the preset.
        needs: what its authors state.
        sku: what one node offers.
        counts: of nodes to look at, the fewest first.
        most: what a refusal speaks of.
        verb: what the model shall do there, "serve" or "tune".
    """
    for nodes in counts:
        if _meets(needs, sku, nodes=nodes):
            return _accepted(model, needs, sku, nodes=nodes, verb=verb)
    return Fit(
        model,
        sku.name,
        fits=False,
        sentence=refusal(stated_need(model, needs, nodes=most, verb=verb), hardware(sku, nodes=1)),
        basis="stated",
        gpu_memory_gib=sku.gpu_memory_gib,
        needed_gib=needs.total_gpu_memory_gib,
    )


def _meets(needs: Requirements, sku: Sku, *, nodes: int) -> bool:
    """Whether so many nodes are enough; compared in exact GiB."""
    return (
        nodes * sku.gpus >= needs.gpu_count
        and sku.gpu_memory_gib >= needs.per_gpu_memory_gib
        and nodes * sku.total_memory_gib >= needs.total_gpu_memory_gib
    )


def _accepted(model: str, needs: Requirements, sku: Sku, *, nodes: int, verb: str) -> Fit:
    """The answer where so many nodes are enough."""
    return Fit(
        model,
        sku.name,
        fits=True,
        sentence=(
            f"{model} fits {counted(nodes, 'node')} of {sku.name}{AUTHORS}: it needs"
            f" {wish(needs)} to {verb}, {hardware(sku, nodes=nodes)}; its context is not computed,"
            f" since its geometry is not known{retirement(sku)}"
        ),
        basis="stated",
        nodes=nodes,
        gpus=nodes * sku.gpus,
        least_gpus=needs.gpu_count,
        gpu_memory_gib=sku.gpu_memory_gib,
        needed_gib=needs.total_gpu_memory_gib,
    )
