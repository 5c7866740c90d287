"""Figures that upstream states, release by release, beside those that we work out."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaito.catalog.catalog import Catalog, read_catalog
from kaito.sizing.fit import fit
from kaito.sizing.tuning import tuning_fit


@pytest.fixture(scope="module")
def ours() -> Catalog:
    return read_catalog(Path("presets"), origin="kaito")


# Upstream's release 0.3 states total GPU memory; for the six models that its release 0.12 has too,
# the geometry decides here. Ours is weights x 1.02 (as loaded) x 1.05 (activations), the KV cache
# of 2,048 tokens and 2.3 GiB of run-time, on one GPU, of which 84 % (82 % of an A10) may be used.
# - phi-3-mini, 9: the weights are 7.12; 1.88 for all else is less than the run-time alone.
#   7.626 + 0.75 + 2.3 = 10.676.
# - phi-3-medium, 16: less than its 26 of weights; upstream's release 0.3.2 says 28.
#   27.846 + 0.391 + 2.3 = 30.537.
# - mistral-7b, 14: the weights are 13.5, and 0.5 for all else; an -instruct of the same size has
#   16, all of a GPU of which 13.44 may be used. 14.459 + 0.25 + 2.3 = 17.009.
PUBLISHED = [
    ("phi-3-mini-4k-instruct", 9, 10.676, {12}),
    ("phi-3-mini-128k-instruct", 9, 10.676, {12}),
    ("phi-3-medium-4k-instruct", 16, 30.537, {16, 24}),
    ("phi-3-medium-128k-instruct", 16, 30.537, {16, 24}),
    ("mistral-7b", 14, 17.009, {16}),
    ("mistral-7b-instruct", 16, 17.009, {16}),
]
"""Model, GiB that upstream states, GiB that we compute, sizes of GPU where the answers differ."""


@pytest.mark.parametrize(("name", "published", "computed", "refused"), PUBLISHED)
def test_where_geometry_decides_the_first_releases_figure_is_too_small(
    ours: Catalog, name: str, published: float, computed: float, refused: set[float]
) -> None:
    preset = ours.presets[name]
    single = [sku for sku in ours.skus.values() if sku.gpus == 1 and sku.has_cuda]
    differ = {
        sku.gpu_memory_gib
        for sku in single
        if fit(preset, sku).fits is not (sku.gpu_memory_gib >= published)
    }

    assert preset.inference is not None
    assert preset.inference.total_gpu_memory_gib == published
    assert fit(preset, ours.skus["Standard_NC24ads_A100_v4"]).needed_gib == pytest.approx(
        computed, abs=0.001
    )
    assert differ == refused


# Tuning, by hand, in GiB: the frozen weights (16 bits for LoRA, 30 % of that for QLoRA); what is
# trained, 8 x 7 x 5 x hidden x layers x 16 bytes; what is kept for the way back from 2,048 tokens,
# 34 x 2,048 x hidden x layers bytes; 2.3 of run-time.
#   phi-3-mini    7.12 or 2.136 + 0.410 +  6.375 + 2.3  (hidden x layers = 3,072 x 32)
#   phi-3-medium 26    or 7.8   + 0.854 + 13.281 + 2.3  (5,120 x 40)
#   phi-4        27.31 or 8.193 + 0.854 + 13.281 + 2.3  (5,120 x 40)
# Upstream states one figure for both methods, and says neither how long nor how many the sequences
# are that it is for; ours is for one of 2,048 tokens, which the quick starts' settings have. What
# upstream's have above our LoRA is room for more of them in one batch:
# - 72 for phi-3-mini (16 up to release 0.3.0, where QLoRA is all that fits): for 9.8 of them.
# - 80 for phi-3-medium (13 up to 0.3.0: less than half of its frozen 16-bit weights): for 3.8;
#   it is all of the largest GPU that upstream's table had at that time.
# - 70 for phi-4, somewhat larger than phi-3-medium, and yet stated smaller: for 3.0.
TUNED = [
    ("phi-3-mini-4k-instruct", 16.205, 11.221, (72, 6.375, 9.8)),
    ("phi-3-medium-4k-instruct", 42.436, 24.236, (80, 13.281, 3.8)),
    ("phi-4", 43.746, 24.629, (70, 13.281, 3.0)),
]
"""Model, GiB for LoRA and QLoRA, and upstream's: GiB, GiB that a sequence keeps, sequences."""


@pytest.mark.parametrize(("name", "lora", "qlora", "room"), TUNED)
def test_tuning_needs_what_is_worked_out_by_hand_and_upstream_asks_for_more(
    ours: Catalog, name: str, lora: float, qlora: float, room: tuple[float, float, float]
) -> None:
    published, kept, sequences = room
    preset, sku = ours.presets[name], ours.skus["Standard_NC24ads_A100_v4"]

    needed = tuning_fit(preset, sku, method="lora").needed_gib
    assert needed == pytest.approx(lora, abs=0.001)
    assert tuning_fit(preset, sku, method="qlora").needed_gib == pytest.approx(qlora, abs=0.001)
    assert 1 + (published - needed) / kept == pytest.approx(sequences, abs=0.05)
