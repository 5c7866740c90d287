"""The whole catalogue on every type of every cloud, against sizes that others have published.

`published.csv` holds what upstream (its release 0.12) publishes: size of the weights,
KV cache per token, heads, layers. The oracle below is upstream's own estimate, in floating point
and without layouts: memory x 0.84 (0.82 on an A10), less 2.3 GiB and the KV cache of 2,048 tokens,
the rest divided by 1.05, holds weights x 1.02; so many GPUs, so many nodes.

Where we differ, one of these says why:
- `cut`: upstream puts one slice of the weights on each GPU whatever the heads; ours cuts at heads
  and whole layers, so that an uneven model needs more.
- `cache`: upstream charges every GPU the whole KV cache; ours only its part, so that it needs less.
- `edge`: upstream counts int(weights / budget) + 1 GPUs, one too many where the two are equal.
- `far`: upstream takes any number of nodes; ours at most 8.
"""

from __future__ import annotations

import csv
from math import ceil
from pathlib import Path

import pytest

from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.sku import Sku
from kaito.sizing.fit import fit

PRESETS = Path("presets")
PUBLISHED = {
    row["name"]: row
    for row in csv.DictReader((Path(__file__).parent / "published.csv").read_text().splitlines())
}
CATALOGS = {
    cloud: read_catalog(PRESETS, cloud=cloud, origin="upstream")
    for cloud in ("azure", "aws", "arc")
}
VLLM = {
    name: preset.model_copy(
        update={"images": tuple(image for image in preset.images if image.runtime == "vllm")}
    )
    for name, preset in read_catalog(PRESETS, origin="upstream").presets.items()
    if name in PUBLISHED
}


def budget_gib(row: dict[str, str], sku: Sku, *, kv_share: float) -> float:
    """What upstream's estimate leaves for weights on one GPU."""
    share = 0.82 if sku.model == "NVIDIA A10" else 0.84
    kv = int(row["kv_bytes_per_token"]) * min(2048, int(row["context_tokens"])) / 2**30
    return (sku.gpu_memory_gib * share - 2.3 - kv * kv_share) / 1.05


def published_gpus(row: dict[str, str], sku: Sku, *, kv_share: float = 1) -> int | None:
    """GPUs by upstream's estimate; None: no number of them is enough."""
    budget = budget_gib(row, sku, kv_share=kv_share)
    return int(float(row["weights_gib"]) * 1.02 / budget) + 1 if budget > 0 else None


def test_the_published_figures_are_those_of_the_catalogue() -> None:
    assert set(VLLM) == set(PUBLISHED)
    for name, row in PUBLISHED.items():
        geometry = VLLM[name].geometry
        image = VLLM[name].image
        assert geometry is not None
        assert geometry.kv_bytes_per_token == int(row["kv_bytes_per_token"]), name
        assert geometry.weights_bytes == round(float(row["weights_gib"]) * 2**30)
        assert geometry.context_tokens == int(row["context_tokens"])
        assert image.disk_storage == f"{row['disk_gib']}Gi"
        assert image.disk_storage == f"{int(float(row['weights_gib']) + 80)}Gi"
        assert image.readiness_timeout_seconds == int(row["readiness_seconds"])


def allowed(name: str, sku: Sku, found: int, row: dict[str, str]) -> str | None:
    """Which of the reasons above explains that our node count is not upstream's; None: no one."""
    full, lean = published_gpus(row, sku), published_gpus(row, sku, kv_share=0)
    if lean is None:
        return "far" if found == 0 else None
    fewest, most = ceil(lean / sku.gpus), ceil(full / sku.gpus) if full else None
    if found == 0:
        # An uneven cut leaves up to half of each node idle, and of the layers a part.
        return "far" if 2 * (most or 9) > 8 else None
    if fewest <= found <= (most or found):
        return "cache"
    if found == fewest - 1 and (lean - 1) % sku.gpus == 0:
        return "edge"
    heads = int(row["heads"])
    slack = next(size for size in range(sku.gpus, 0, -1) if heads % size == 0) / sku.gpus
    uneven = slack < 1 or any(int(row["layers"]) % groups for groups in range(fewest, found + 1))
    return "cut" if uneven and most is not None and found <= ceil(most / slack) + 1 else None


@pytest.mark.parametrize("cloud", CATALOGS)
def test_nodes_are_upstreams_or_the_difference_is_explained(cloud: str) -> None:
    unexplained, seen = [], 0
    for name, row in PUBLISHED.items():
        for sku in CATALOGS[cloud].skus.values():
            if not sku.model.startswith("NVIDIA"):
                continue
            seen += 1
            found = fit(VLLM[name], sku).nodes
            gpus = published_gpus(row, sku)
            if gpus is not None and found == ceil(gpus / sku.gpus):
                continue
            if allowed(name, sku, found, row) is None:
                unexplained.append((name, sku.name, found, gpus))

    assert seen >= 600
    assert unexplained == []


@pytest.mark.parametrize("cloud", CATALOGS)
def test_on_one_gpu_the_answer_is_upstreams_inequality(cloud: str) -> None:
    for name, row in PUBLISHED.items():
        for sku in CATALOGS[cloud].skus.values():
            if sku.gpus > 1 or not sku.model.startswith("NVIDIA"):
                continue
            room = budget_gib(row, sku, kv_share=1)
            expected = float(row["weights_gib"]) * 1.02 <= room
            assert (fit(VLLM[name], sku, nodes=1).nodes == 1) is expected, (name, sku.name)


def test_another_makers_accelerators_are_refused() -> None:
    for catalog in CATALOGS.values():
        for sku in catalog.skus.values():
            if not sku.model.startswith("NVIDIA"):
                found = fit(VLLM["phi-4"], sku)
                assert not found.fits
                assert sku.model in found.sentence


@pytest.mark.parametrize(
    ("name", "gpus", "total", "each"),
    [
        ("falcon-7b", 1, 14, 0),
        ("falcon-40b", 2, 90, 0),
        ("llama-2-7b", 1, 14, 14),
        ("llama-2-13b", 2, 30, 15),
        ("llama-2-70b", 8, 152, 19),
        ("llama-2-7b-chat", 1, 16, 14),
        ("llama-2-70b-chat", 8, 192, 19),
        ("phi-2", 1, 12, 0),
    ],
)
def test_without_geometry_the_authors_figures_decide_in_exact_gib(
    name: str, gpus: int, total: float, each: float
) -> None:
    catalog: Catalog = CATALOGS["azure"]
    preset = read_catalog(PRESETS).presets[name]
    spread = preset.image.model_copy(update={"parallel": "layers"})
    preset = preset.model_copy(update={"images": (spread,)})

    for sku in catalog.skus.values():
        enough = sku.gpus >= gpus and sku.gpus * sku.gpu_memory_gib >= total
        expected = enough and sku.gpu_memory_gib >= each and sku.model.startswith("NVIDIA")
        found = fit(preset, sku, nodes=1)
        assert found.fits is expected, sku.name
        assert found.basis == "stated"
        assert found.context_tokens is None
