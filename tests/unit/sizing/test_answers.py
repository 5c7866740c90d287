"""Single answers, worked out by hand, and the sentences that go with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.sizing.choice import ranked, smallest
from kaito.sizing.fit import fit
from kaito.sizing.tuning import Method, tuning_fit, untunable

EXAMPLES = sorted(Path("manifests/examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def ours() -> Catalog:
    return read_catalog(Path("presets"), origin="kaito")


@pytest.fixture(scope="module")
def theirs() -> Catalog:
    return read_catalog(Path("presets"), origin="upstream")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_quick_start_fits_the_type_that_it_names(ours: Catalog, path: Path) -> None:
    workspace = Workspace.model_validate(yaml.safe_load(path.read_text()))
    sku = ours.skus[workspace.resource.instance_type or ""]
    if workspace.tuning:
        assert workspace.tuning.preset is not None
        preset = ours.presets[workspace.tuning.preset.name]
        answer = tuning_fit(preset, sku, method="qlora")
    else:
        assert workspace.inference is not None
        assert workspace.inference.preset is not None
        answer = fit(ours.presets[workspace.inference.preset.name], sku, nodes=1)

    assert answer.fits, answer.sentence
    assert len(EXAMPLES) == 5


def test_phi_3_mini_on_16_gib_has_the_context_that_is_left(ours: Catalog) -> None:
    # 16 x 0.84 - 2.3 GiB = 11.14 GiB, less 7.12 x 1.02 x 1.05 = 7.625 GiB of weights: 3.5145 GiB,
    # at 2 x 32 heads x 96 x 32 layers x 2 bytes = 393,216 bytes a token: 9,596.9 tokens.
    answer = fit(ours.presets["phi-3-mini-128k-instruct"], ours.skus["Standard_NC6s_v3"], nodes=1)

    assert answer.context_tokens == pytest.approx(9596, abs=1)
    assert "its context is lowered from 131072 to 959" in answer.sentence
    assert "stopped selling it on 2025-09-30, use Standard_NC4as_T4_v3" in answer.sentence
    assert answer.dtype == "float16"


def test_each_of_two_gpus_keeps_half_of_the_kv_cache(theirs: Catalog) -> None:
    # 94 x 0.84 - 2.3 GiB = 76.66 GiB, less half of 131.42 x 1.02 x 1.05 = 70.375 GiB: 6.285 GiB,
    # at half of 2 x 8 heads x 128 x 80 layers x 2 bytes = 163,840 bytes a token: 41,190 tokens.
    answer = fit(theirs.presets["llama-3.3-70b-instruct"], theirs.skus["Standard_NC80adis_H100_v5"])

    assert (answer.nodes, answer.tensor_parallel) == (1, 2)
    assert answer.context_tokens == pytest.approx(41_190, abs=10)


def test_falcon_40b_on_one_16_gib_gpu_is_refused_with_the_numbers(theirs: Catalog) -> None:
    answer = fit(theirs.presets["falcon-40b"], theirs.skus["Standard_NC6s_v3"], nodes=1)

    assert not answer.fits
    assert answer.sentence == (
        "falcon-40b needs 2 GPUs and 90 GiB of GPU memory to serve by its authors' figure,"
        " Standard_NC6s_v3 has 1 GPU with 16 GiB: choose a larger instance type"
    )


def test_a_server_for_one_gpu_is_not_given_two(ours: Catalog) -> None:
    answer = fit(ours.presets["phi-4"], ours.skus["Standard_NV72ads_A10_v5"], nodes=1)

    assert not answer.fits
    assert "its server uses one GPU" in answer.sentence
    assert not fit(ours.presets["llama-2-13b"], ours.skus["Standard_NC12s_v3"], nodes=1).fits


def test_llama_2_13b_fits_two_gpus_of_16_gib_as_upstreams_own_example_has_it(
    ours: Catalog,
) -> None:
    # Upstream's releases up to 0.3.0 refused this pair: they compared 15 GiB, rounded up to 17 GB,
    # with 16. Compared in exact GiB it fits, as it does from 0.3.1 on.
    preset = ours.presets["llama-2-13b"]
    torchrun = preset.image.model_copy(update={"parallel": "tensor"})
    preset = preset.model_copy(update={"images": (torchrun,)})

    assert fit(preset, ours.skus["Standard_NC12s_v3"], nodes=1).fits


def test_phi_4_on_four_gpus_of_16_gib_is_cut_where_its_heads_allow(theirs: Catalog) -> None:
    # 40 heads divide by 4, its 10 KV heads do not: two halves of each layer, two groups of layers.
    four = theirs.skus["Standard_NC64as_T4_v3"].model_copy(update={"compute_capability": 8.0})
    answer = fit(theirs.presets["phi-4"], four)

    assert (answer.nodes, answer.tensor_parallel, answer.pipeline_parallel) == (1, 2, 2)
    assert answer.context_tokens == 16384


@pytest.mark.parametrize(
    ("model", "method", "type_", "fits"),
    [
        ("phi-3-mini-4k-instruct", "qlora", "Standard_NC6s_v3", True),
        ("phi-3-mini-4k-instruct", "lora", "Standard_NC6s_v3", False),
        ("phi-3-mini-4k-instruct", "lora", "Standard_NV36ads_A10_v5", True),
        ("mistral-7b", "qlora", "Standard_NC6s_v3", True),
        # Upstream first stated 13 GiB and later 80; its frozen weights alone are 7.8 GiB in 4 bits.
        ("phi-3-medium-4k-instruct", "qlora", "Standard_NC6s_v3", False),
        ("phi-3-medium-4k-instruct", "lora", "Standard_NC24ads_A100_v4", True),
        ("falcon-7b", "qlora", "Standard_NC6s_v3", True),
        ("falcon-40b", "qlora", "Standard_NC6s_v3", False),
        ("gpt-oss-20b", "qlora", "Standard_NC24ads_A100_v4", False),
    ],
)
def test_tuning_has_its_own_arithmetic(
    ours: Catalog, model: str, method: Method, type_: str, *, fits: bool
) -> None:
    assert tuning_fit(ours.presets[model], ours.skus[type_], method=method).fits is fits


def test_lora_never_needs_less_than_qlora(ours: Catalog) -> None:
    sku = ours.skus["Standard_NC24ads_A100_v4"]
    for preset in ours.models():
        if preset.geometry and not untunable(preset):
            lora, qlora = (tuning_fit(preset, sku, method=one) for one in ("lora", "qlora"))
            assert lora.needed_gib > qlora.needed_gib


def test_no_gpu_below_8_0_is_asked_for_bfloat16(theirs: Catalog) -> None:
    for preset in theirs.models():
        for sku in theirs.skus.values():
            answer = fit(preset, sku)
            if answer.fits and (sku.compute_capability or 0) < 8:
                assert answer.dtype == "float16"
            elif answer.fits and preset.geometry:
                assert answer.dtype == preset.geometry.dtype


def test_the_smallest_type_that_fits_comes_first_and_is_still_sold(theirs: Catalog) -> None:
    preset = theirs.presets["phi-3-mini-4k-instruct"]

    found = ranked(theirs.skus.values(), lambda sku: fit(preset, sku))
    chosen = smallest(theirs.skus.values(), lambda sku: fit(preset, sku))

    sizes = [(one.nodes, one.nodes * sku.total_memory_gib) for sku, one in found]
    assert sizes == sorted(sizes)
    assert chosen is not None
    assert chosen.sku == "Standard_NC4as_T4_v3"


def test_nothing_is_chosen_where_nothing_fits(ours: Catalog) -> None:
    preset = ours.presets["llama-2-70b"]

    assert smallest(ours.skus.values(), lambda sku: fit(preset, sku)) is None


def test_a_gpu_that_the_run_time_does_not_know_any_more_is_refused(ours: Catalog) -> None:
    answer = fit(ours.presets["qwen3.5-4b"], ours.skus["Standard_NC64as_T4_v3"])

    assert not answer.fits
    assert answer.sentence == (
        "qwen3.5-4b needs GPUs of compute capability 8 or more, Standard_NC64as_T4_v3 has 4 GPUs of"
        " 7.5 (NVIDIA T4): choose a newer instance type"
    )
    assert fit(ours.presets["qwen3.5-4b"], ours.skus["Standard_NV36ads_A10_v5"]).fits


@pytest.mark.parametrize(
    ("count", "nodes"), [(1, 0), (2, 2), (3, 3)], ids=["too few", "both", "all three"]
)
def test_a_model_too_large_for_one_node_is_spread_over_all_of_them(
    ours: Catalog, count: int, nodes: int
) -> None:
    small = ours.skus["Standard_NV36ads_A10_v5"]
    answer = fit(ours.presets["granite-4.1-8b"], small, nodes=count)

    assert (answer.nodes, answer.pipeline_parallel) == (nodes, nodes)


def test_a_model_that_fits_one_node_is_not_spread_however_many_there_are(ours: Catalog) -> None:
    large = ours.skus["Standard_NC24ads_A100_v4"]

    assert fit(ours.presets["granite-4.1-8b"], large, nodes=4).nodes == 1


def test_more_nodes_do_not_help_a_server_that_runs_on_one(ours: Catalog) -> None:
    small = ours.skus["Standard_NV36ads_A10_v5"]

    assert not fit(ours.presets["phi-4"], small, nodes=4).fits


def test_an_answer_is_worked_out_once_for_equal_questions(ours: Catalog) -> None:
    preset, sku = ours.presets["phi-3-mini-4k-instruct"], ours.skus["Standard_NC24ads_A100_v4"]

    answer = fit(preset, sku, nodes=1)

    assert fit(preset.model_copy(), sku.model_copy(), nodes=1) is answer
    assert fit(preset, sku.model_copy(update={"gpu_memory_gib": 2.0}), nodes=1) != answer
    assert fit(preset, sku, nodes=1, tokens=1) != answer
