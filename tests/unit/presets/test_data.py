"""The data files: readable by the catalogue, and consistent in themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from kaito.catalog.catalog import Catalog, read_catalog

PRESETS = Path("presets")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(PRESETS)


@pytest.mark.parametrize("path", sorted((PRESETS / "models").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_file_is_named_after_its_model(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["name"] == path.stem


@pytest.mark.parametrize("name", ["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"])
def test_the_quick_starts_models_fit_the_gpu_that_they_name(catalog: Catalog, name: str) -> None:
    preset = catalog.presets[name]
    sixteen_gib = catalog.skus["Standard_NC6s_v3"]

    assert preset.tuning is not None
    assert preset.inference is not None
    assert preset.inference.total_gpu_memory_gib == 9
    assert preset.tuning.total_gpu_memory_gib == sixteen_gib.total_memory_gib == 16


def test_our_images_command_is_a_program_and_no_shell(catalog: Catalog) -> None:
    ours = [
        image for preset in catalog.models() for image in preset.images if image.origin == "kaito"
    ]

    assert {(image.runtime, *image.command[:2], image.parallel) for image in ours} == {
        ("transformers", "python", "/workspace/inference/server.py", "none"),
        ("vllm", "python3", "/workspace/inference/vllm_server.py", "tensor"),
    }


def test_every_model_has_a_row_of_ours_and_one_of_upstreams(catalog: Catalog) -> None:
    for preset in catalog.models():
        assert {image.origin for image in preset.images} == {"kaito", "upstream"}, preset.name
        assert [image.origin for image in preset.images].count("kaito") == 1


def test_the_two_origins_serve_the_same_model_of_the_hub(catalog: Catalog) -> None:
    for preset in catalog.models():
        named = {image.option("--model") for image in preset.images if image.release == "v0.12.0"}
        own = {
            image.command[2]
            for image in preset.images
            if image.origin == "kaito" and image.runtime == "vllm"
        }
        assert own <= named
        assert {name.casefold() for name in named if name} <= {
            alias.casefold() for alias in preset.aliases
        }


def test_what_is_fetched_from_the_hub_is_told_where_its_volume_is(catalog: Catalog) -> None:
    fetched = [
        image for preset in catalog.models() for image in preset.images if image.weights == "hub"
    ]

    assert {image.option("--download-dir") for image in fetched} == {"/workspace/weights"}
    assert {image.weights_path for image in fetched} == {"/workspace/weights"}
    assert {image.token_variable for image in fetched} == {"HF_TOKEN"}
    assert {image.runtime for image in fetched} == {"vllm"}


def test_every_vllm_row_leaves_what_depends_on_the_gpus_open(catalog: Catalog) -> None:
    wanted = {
        "--tensor-parallel-size": "{tensor_parallel}",
        "--pipeline-parallel-size": "{pipeline_parallel}",
        "--max-model-len": "{context_tokens}",
        "--gpu-memory-utilization": "{memory_share}",
        "--dtype": "{dtype}",
    }

    for preset in catalog.models():
        for image in preset.images:
            if image.runtime == "vllm":
                assert {flag: image.option(flag) for flag in wanted} == wanted, preset.name


def test_only_a_launcher_that_swallows_sigterm_has_a_hook(catalog: Catalog) -> None:
    for preset in catalog.models():
        for image in preset.images:
            is_swallowed = "accelerate launch" in image.command[-1]
            assert bool(image.pre_stop) is is_swallowed, preset.name
            assert image.command[0] != "/bin/sh" or is_swallowed or "&& exec " in image.command[2]


def test_what_is_retired_has_a_successor_that_is_sold_and_no_smaller(catalog: Catalog) -> None:
    retired = [sku for sku in catalog.skus.values() if sku.retired]

    assert len(retired) == 23
    for sku in retired:
        assert sku.successor is not None
        successor = catalog.skus[sku.successor]
        assert successor.retired is None
        assert successor.total_memory_gib >= sku.total_memory_gib


def test_the_quick_starts_gpu_was_retired_on_the_last_of_september(catalog: Catalog) -> None:
    assert catalog.skus["Standard_NC6s_v3"].retired == date(2025, 9, 30)


def test_no_row_is_there_twice() -> None:
    rows = yaml.safe_load((PRESETS / "skus" / "azure.yaml").read_text())["skus"]

    assert len({row["name"] for row in rows}) == len(rows) == 47
