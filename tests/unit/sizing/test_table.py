"""The whole catalogue on every type of every cloud, against sizes that others have published.

`published.csv` holds what upstream (its release 0.12) publishes: size of the weights,
KV cache per token, heads, layers. Upstream's own estimate, in floating point: memory x 0.84 (0.82
on an A10), less 2.3 GiB and a share of the KV cache of 2,048 tokens, one for each GPU of a node;
the rest divided by 1.05 holds weights x 1.02; so many GPUs, so many nodes.

On how many nodes its images run, ours differs in four rules. The oracle below has a switch for
each, in floating point: with none it is upstream's estimate, with all it must be our answer on
every single pair, and the count of pairs that each rule decides is written down.

- `cache`: all nodes share the KV cache of a sequence, each keeps its own layers' part; upstream
  charges every node all of it. Needs less.
- `layers`: a stage is a number of whole layers, and the fullest GPU counts. Needs more.
- `heads`: a layer is cut only where its heads divide, and a KV head that several GPUs use is on
  each of them; upstream cuts anywhere. Needs more.
- `far`: we go to 8 nodes, upstream to any number. Is no.

Two more are no matter of memory, and have tests of their own: vLLM takes no GPU below compute
capability 8.0 (set aside here: upstream's own table has none), and our images for one GPU use one.
"""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache
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
        update={
            "images": tuple(
                image.model_copy(update={"compute_capability": None})
                for image in preset.images
                if image.runtime == "vllm"
            )
        }
    )
    for name, preset in read_catalog(PRESETS, origin="upstream").presets.items()
    if name in PUBLISHED
}
OURS = read_catalog(PRESETS, origin="kaito")
NVIDIA = [sku for sku in OURS.skus.values() if sku.model.startswith("NVIDIA")]

RULES = ("cache", "layers", "heads", "far")


def usable_gib(sku: Sku) -> float:
    """What upstream's estimate leaves of one GPU for weights and the KV cache."""
    return sku.gpu_memory_gib * (0.82 if sku.model == "NVIDIA A10" else 0.84) - 2.3


def kv_gib(row: dict[str, str]) -> float:
    """The KV cache of one sequence of 2,048 tokens, or of the model's own context."""
    return int(row["kv_bytes_per_token"]) * min(2048, int(row["context_tokens"])) / 2**30


def kv_shards(row: dict[str, str]) -> int:
    """Parts that the KV cache of a layer has: a compressed one has no heads to cut at."""
    return 1 if row["attention"] == "mla" else int(row["kv_heads"])


def published_nodes(row: dict[str, str], sku: Sku) -> int | None:
    """Nodes by upstream's estimate; None: no number of them is enough."""
    budget = (usable_gib(sku) - kv_gib(row) / sku.gpus) / 1.05
    if budget <= 0:
        return None
    return ceil((int(float(row["weights_gib"]) * 1.02 / budget) + 1) / sku.gpus)


def needed_gib(
    row: dict[str, str], *, nodes: int, tensor: int, stages: int, rules: tuple[str, ...]
) -> float:
    """What the fullest GPU holds of one layout, by upstream's figures and those of our rules."""
    layers, shards = int(row["layers"]), kv_shards(row)
    groups = nodes * stages
    share = ceil(layers / groups) / layers if "layers" in rules else 1 / groups
    kept = ceil(shards / tensor) / shards if "heads" in rules else 1 / tensor
    kv_share = share if "cache" in rules else share * nodes
    return float(row["weights_gib"]) * 1.02 * 1.05 * share / tensor + kv_gib(row) * kept * kv_share


def layouts(
    row: dict[str, str], *, gpus: int, nodes: int, rules: tuple[str, ...]
) -> list[tuple[int, int]]:
    """Tensor sizes and stages on each node that the rules allow."""
    heads, shards = int(row["heads"]), kv_shards(row)
    found = []
    for tensor in range(1, gpus + 1):
        divides = heads % tensor == 0 and (shards % tensor == 0 or tensor % shards == 0)
        if divides or "heads" not in rules:
            found += [(tensor, stages) for stages in range(1, gpus // tensor + 1)]
    limit = int(row["layers"]) if "layers" in rules else nodes * gpus
    return [(tensor, stages) for tensor, stages in found if nodes * stages <= limit]


@cache
def nodes_by(rules: tuple[str, ...], name: str, sku: Sku) -> int | None:
    """The fewest nodes that are enough when those of our rules hold; None: no number is."""
    row = PUBLISHED[name]
    if "cache" not in rules and published_nodes(row, sku) is None:
        return None
    most = 8 if "far" in rules else 5000
    least = float(row["weights_gib"]) * 1.02 * 1.05 / sku.gpus / usable_gib(sku)
    for nodes in range(max(1, int(least)), most + 1):
        for tensor, stages in layouts(row, gpus=sku.gpus, nodes=nodes, rules=rules):
            need = needed_gib(row, nodes=nodes, tensor=tensor, stages=stages, rules=rules)
            if need <= usable_gib(sku):
                return nodes
    return None


def context(row: dict[str, str], sku: Sku, cut: tuple[int, int, int]) -> float:
    """Tokens of one sequence that nodes, tensor size and stages hold: a token has one price."""
    nodes, tensor, stages = cut
    none = row | {"kv_bytes_per_token": "0"}
    weights = needed_gib(none, nodes=nodes, tensor=tensor, stages=stages, rules=RULES)
    sequence = needed_gib(row, nodes=nodes, tensor=tensor, stages=stages, rules=RULES) - weights
    tokens = min(2048, int(row["context_tokens"]))
    return min((usable_gib(sku) - weights) / sequence * tokens, int(row["context_tokens"]))


def preferred(row: dict[str, str], sku: Sku, nodes: int) -> tuple[int, int, int]:
    """The cut on so many nodes: the fewest stages, then the most context, then the fewest GPUs."""
    holding = [
        (nodes, tensor, stages)
        for tensor, stages in layouts(row, gpus=sku.gpus, nodes=nodes, rules=RULES)
        if needed_gib(row, nodes=nodes, tensor=tensor, stages=stages, rules=RULES)
        <= usable_gib(sku)
    ]
    return min(holding, key=lambda cut: (cut[2], -int(context(row, sku, cut)), cut[1]))


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


DECIDED = {
    "azure": {
        "none": 1940,
        "layers far": 280,
        "cache layers far": 150,
        "cache layers": 134,
        "cache": 42,
        "far": 41,
        "layers": 30,
        "cache far": 21,
        "cache heads": 2,
    },
    "aws": {
        "none": 2100,
        "layers far": 340,
        "cache layers far": 121,
        "cache layers": 103,
        "layers": 51,
        "far": 47,
        "cache": 38,
        "cache far": 19,
        "cache heads": 1,
    },
    "arc": {
        "none": 378,
        "layers far": 69,
        "cache layers far": 57,
        "cache layers": 48,
        "far": 16,
        "cache": 15,
        "layers": 9,
        "cache far": 8,
    },
}
"""Pairs of a model and a type, by the rules that change the count of nodes one after another."""


def pairs(cloud: str) -> list[tuple[str, Sku]]:
    """Every model on every type that runs CUDA."""
    skus = [sku for sku in CATALOGS[cloud].skus.values() if sku.model.startswith("NVIDIA")]
    return [(name, sku) for name in PUBLISHED for sku in skus]


@pytest.mark.parametrize("cloud", CATALOGS)
def test_without_our_rules_the_oracle_is_upstreams_estimate(cloud: str) -> None:
    for name, sku in pairs(cloud):
        assert nodes_by((), name, sku) == published_nodes(PUBLISHED[name], sku)


@pytest.mark.parametrize("cloud", CATALOGS)
def test_with_our_four_rules_it_is_our_answer_on_every_pair(cloud: str) -> None:
    wrong = [
        (name, sku.name)
        for name, sku in pairs(cloud)
        if (nodes_by(RULES, name, sku) or 0) != fit(VLLM[name], sku).nodes
    ]

    assert wrong == []


@pytest.mark.parametrize("cloud", CATALOGS)
def test_the_cut_and_the_context_are_those_of_the_stated_preference(cloud: str) -> None:
    for name, sku in pairs(cloud):
        nodes = nodes_by(RULES, name, sku)
        if nodes is None:
            continue
        cut = preferred(PUBLISHED[name], sku, nodes)
        _, tensor, stages = cut
        found = fit(VLLM[name], sku)

        got = (found.tensor_parallel, found.pipeline_parallel, found.gpus)
        assert got == (tensor, nodes * stages, nodes * tensor * stages), (name, sku.name)
        expected = pytest.approx(context(PUBLISHED[name], sku, cut), abs=1)
        assert found.context_tokens == expected, (name, sku.name)


def test_our_image_for_one_gpu_fits_where_one_gpu_of_the_node_is_enough() -> None:
    names = [
        preset.name
        for preset in OURS.models()
        if preset.geometry and preset.image.parallel == "none"
    ]
    assert len(names) == 12
    for name, sku in ((name, sku) for name in names for sku in NVIDIA):
        row = PUBLISHED[name]
        needed = float(row["weights_gib"]) * 1.02 * 1.05 + kv_gib(row)
        found = fit(OURS.presets[name], sku)
        assert found.fits is (needed <= usable_gib(sku)), (name, sku.name)
        assert (found.nodes, found.gpus) == ((1, 1) if found.fits else (0, 0))


def test_our_image_that_needs_8_0_fits_nothing_below_it() -> None:
    names = [preset.name for preset in OURS.models() if preset.image.compute_capability == 8.0]
    below = [sku for sku in NVIDIA if (sku.compute_capability or 0) < 8]
    assert (len(names), len(below)) == (48, 27)
    for name, sku in ((name, sku) for name in names for sku in below):
        found = fit(OURS.presets[name], sku)
        assert not found.fits
        assert "needs GPUs of compute capability 8 or more" in found.sentence


@pytest.mark.parametrize("cloud", CATALOGS)
def test_each_difference_to_upstream_is_the_work_of_a_named_rule(cloud: str) -> None:
    decided: Counter[str] = Counter()
    for name, sku in pairs(cloud):
        chain = [nodes_by(RULES[:count], name, sku) for count in range(5)]
        steps = zip(RULES, chain, chain[1:], strict=False)
        changes = [rule for rule, before, after in steps if before != after]
        decided[" ".join(changes) or "none"] += 1

    assert decided == DECIDED[cloud]


@pytest.mark.parametrize("cloud", CATALOGS)
def test_on_one_gpu_the_answer_is_upstreams_inequality(cloud: str) -> None:
    for name, row in PUBLISHED.items():
        for sku in CATALOGS[cloud].skus.values():
            if sku.gpus > 1 or not sku.model.startswith("NVIDIA"):
                continue
            need = float(row["weights_gib"]) * 1.02 * 1.05 + kv_gib(row)
            expected = need <= usable_gib(sku)
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
        ("falcon-7b-instruct", 1, 14, 0),
        ("falcon-40b", 2, 90, 0),
        ("falcon-40b-instruct", 2, 90, 0),
        ("llama-2-7b", 1, 14, 14),
        ("llama-2-13b", 2, 30, 15),
        ("llama-2-13b-chat", 2, 30, 15),
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
