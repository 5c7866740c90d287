"""The catalogue as it ships: everything is in it, under every name, and stays quick to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaito.catalog.catalog import Catalog, read_catalog

PRESETS = Path("presets")
V03 = {
    *("falcon-7b", "falcon-7b-instruct", "falcon-40b", "falcon-40b-instruct"),
    *("llama-2-7b", "llama-2-13b", "llama-2-70b"),
    *("llama-2-7b-chat", "llama-2-13b-chat", "llama-2-70b-chat"),
    *("mistral-7b", "mistral-7b-instruct", "phi-2"),
    *("phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"),
    *("phi-3-medium-4k-instruct", "phi-3-medium-128k-instruct"),
}
LEGACY = {
    "phi-4": "microsoft/phi-4",
    "llama-3.1-8b-instruct": "meta-llama/llama-3.1-8b-instruct",
    "llama-3.3-70b-instruct": "meta-llama/llama-3.3-70b-instruct",
    "deepseek-r1-distill-qwen-14b": "deepseek-ai/deepseek-r1-distill-qwen-14b",
    "deepseek-v3-0324": "deepseek-ai/deepseek-v3-0324",
    "phi-3.5-mini-instruct": "microsoft/phi-3.5-mini-instruct",
    "qwen2.5-coder-32b-instruct": "qwen/qwen2.5-coder-32b-instruct",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gemma-3-4b-instruct": "google/gemma-3-4b-it",
    "gemma-3-27b-instruct": "google/gemma-3-27b-it",
    "mistral-7b": "mistralai/mistral-7b-v0.3",
    "mistral-7b-instruct": "mistralai/mistral-7b-instruct-v0.3",
    "ministral-3-14b-instruct": "mistralai/ministral-3-14b-instruct-2512",
    "mistral-large-3-675b-instruct": "mistralai/mistral-large-3-675b-instruct-2512",
}
"""Short names and the hub's, from upstream's own list of aliases."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(PRESETS)


def releases(catalog: Catalog, release: str) -> set[str]:
    return {
        model.name
        for model in catalog.models()
        if any(image.release == release for image in model.images)
    }


def test_all_models_of_both_eras_are_there_once(catalog: Catalog) -> None:
    names = {model.name for model in catalog.models()}
    newer = releases(catalog, "v0.12.0")

    assert len(names) == 71
    assert names >= V03
    assert len(newer) == 60
    assert names == V03 | newer
    assert len(V03 & newer) == 6


def test_the_six_of_both_eras_have_upstreams_two_images(catalog: Catalog) -> None:
    for name in V03 & releases(catalog, "v0.12.0"):
        upstream = [image for image in catalog.presets[name].images if image.origin == "upstream"]
        assert [image.release for image in upstream] == ["v0.3.0", "v0.12.0"]


@pytest.mark.parametrize(("short", "hub"), LEGACY.items())
def test_a_model_answers_to_both_of_its_names_in_any_case(
    catalog: Catalog, short: str, hub: str
) -> None:
    assert catalog.presets[short] is catalog.presets[hub] is catalog.presets[hub.upper()]


def test_every_alias_resolves_to_the_model_that_lists_it(catalog: Catalog) -> None:
    for model in catalog.models():
        assert {catalog.presets[alias].name for alias in (model.name, *model.aliases)} == {
            model.name
        }


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("phi-3-mini-4k-instuct", "phi-3-mini-4k-instruct"),
        ("falcon40b", "falcon-40b"),
        ("Phi4", "phi-4"),
        ("llama-3.1-8b", "llama-3.1-8b-instruct"),
        ("google/gemma3-4b-it", "gemma-3-4b-instruct"),
    ],
)
def test_an_unknown_name_gets_the_closest_three(catalog: Catalog, slip: str, meant: str) -> None:
    close = catalog.close_names(slip)

    assert close[0] == meant
    assert len(set(close)) == 3
    assert {catalog.presets[name].name for name in close} == set(close)


@pytest.mark.parametrize(("cloud", "rows"), [("azure", 47), ("aws", 59), ("arc", 10)])
def test_every_cloud_has_all_rows_of_upstreams_tables(cloud: str, rows: int) -> None:
    assert len(read_catalog(PRESETS, cloud=cloud).skus) == rows


def test_the_era_s_wrong_figure_of_an_a100_type_is_not_copied(catalog: Catalog) -> None:
    assert catalog.skus["Standard_ND96amsr_A100_v4"].total_memory_gib == 640


def test_only_images_of_the_chosen_origin_are_rendered() -> None:
    ours = read_catalog(PRESETS, origin="kaito")
    theirs = read_catalog(PRESETS, origin="upstream")

    assert {image.origin for model in ours.models() for image in model.images} == {"kaito"}
    assert {image.origin for model in theirs.models() for image in model.images} == {"upstream"}
    assert theirs.presets["phi-3-mini-4k-instruct"].image.release == "v0.3.0"
    assert theirs.presets["phi-4"].health_path == "/health"


def test_what_serves_a_model_under_its_name_says_so_on_its_command_line(catalog: Catalog) -> None:
    served = {
        (model.name, image.option("--served-model-name"))
        for model in catalog.models()
        for image in model.images
        if image.release != "v0.3.0"
    }

    assert {name for name, told in served if name != told} == set()
