"""`models` and `skus`: what the catalogue holds; the tables of the documentation too."""

from __future__ import annotations

from collections.abc import Sequence

from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.cli.reply import Reply, as_json, table
from kaito.sizing.tuning import untunable

MODELS = ("model", "licence", "access", "weights", "context", "run-times", "tools", "reasoning")
MODELS_TAIL = ("tuning", "other names")
MODELS_NARROW = ("model", "weights", "context", "tuning", "access")
SKUS = ("instance type", "GPUs", "each", "total", "GPU", "capability", "retired", "successor")
SKUS_NARROW = ("instance type", "GPUs", "each", "GPU", "retired")


def models(catalog: Catalog, *, output: str) -> Reply:
    """Every model."""
    if output == "json":
        return Reply(as_json([model.model_dump(mode="json") for model in catalog.models()]))
    rows = [model_row(model) for model in catalog.models()]
    return _tabled((*MODELS, *MODELS_TAIL), rows, () if output == "wide" else MODELS_NARROW)


def skus(catalog: Catalog, *, output: str) -> Reply:
    """Every instance type of a cloud."""
    if output == "json":
        return Reply(as_json([sku.model_dump(mode="json") for sku in catalog.skus.values()]))
    rows = [sku_row(sku) for sku in catalog.skus.values()]
    return _tabled(SKUS, rows, () if output == "wide" else SKUS_NARROW)


def _tabled(head: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[str]) -> Reply:
    """A table of the columns that are shown; of all where none is named."""
    places = [head.index(name) for name in shown or head]
    return Reply(table(shown or head, [[row[place] for place in places] for row in rows]))


def model_row(preset: Preset) -> tuple[str, ...]:
    """One model; "-" where the catalogue gives a reason instead of a value."""
    geometry = preset.geometry
    runtimes = dict.fromkeys(f"{image.origin}: {image.runtime}" for image in preset.images)
    return (
        preset.name,
        preset.license or "-",
        preset.access or "-",
        f"{geometry.weights_gib:g} GiB" if geometry else "-",
        str(geometry.context_tokens) if geometry else "-",
        ", ".join(runtimes) or "-",
        _option(preset, "--tool-call-parser"),
        _option(preset, "--reasoning-parser"),
        "no" if untunable(preset) else "yes",
        ", ".join(preset.aliases) or "-",
    )


def sku_row(sku: Sku) -> tuple[str, ...]:
    """One instance type."""
    return (
        sku.name,
        str(sku.gpus),
        f"{sku.gpu_memory_gib:g} GiB",
        f"{sku.total_memory_gib:g} GiB",
        sku.model,
        f"{sku.compute_capability:g}" if sku.compute_capability else "-",
        "never sold" if sku.sold_as else str(sku.retired or "-"),
        sku.sold_as or sku.successor or "-",
    )


def _option(preset: Preset, flag: str) -> str:
    """What the first image that has the flag gives to it."""
    return next((found for image in preset.images if (found := image.option(flag))), "-")
