"""Whether a preset fits an instance type, by the preset's own stated requirement."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.catalog.preset import Requirements
from kaito.catalog.sku import Sku


@dataclass(frozen=True, slots=True)
class Fit:
    """An answer with its sentence."""

    fits: bool
    sentence: str


def fit(model: str, needs: Requirements, sku: Sku, *, nodes: int) -> Fit:
    """Whether `model` fits `nodes` nodes of `sku`.

    Args:
        model: name of the preset, for the sentence.
        needs: what the preset asks for.
        sku: what one node offers.
        nodes: how many of them, >= 1.

    Memory is compared in exact GiB.
    """
    gpus = nodes * sku.gpus
    total_gib = nodes * sku.total_memory_gib
    if gpus < needs.gpu_count:
        return _refusal(model, f"{needs.gpu_count} GPUs", sku, f"{gpus} on {nodes} nodes")
    if sku.gpu_memory_gib < needs.per_gpu_memory_gib:
        has = f"{sku.gpu_memory_gib:g} GiB on each GPU"
        return _refusal(model, f"{needs.per_gpu_memory_gib:g} GiB on each GPU", sku, has)
    if total_gib < needs.total_gpu_memory_gib:
        has = f"{total_gib:g} GiB on {nodes} nodes"
        return _refusal(model, f"{needs.total_gpu_memory_gib:g} GiB of GPU memory", sku, has)
    return Fit(
        fits=True,
        sentence=(
            f"{model} needs {needs.total_gpu_memory_gib:g} GiB of GPU memory;"
            f" {nodes} x {sku.name} has {total_gib:g} GiB"
        ),
    )


def _refusal(model: str, needs: str, sku: Sku, has: str) -> Fit:
    """The sentence of a model that does not fit."""
    return Fit(
        fits=False,
        sentence=f"{model} needs {needs}, {sku.name} has {has}: choose a larger instance type",
    )
