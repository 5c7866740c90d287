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

    assert {image.command[:2] for image in ours} == {("python", "/workspace/inference/server.py")}
    assert {image.parallel for image in ours} == {"none"}


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
