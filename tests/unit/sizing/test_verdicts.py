"""The table that admission policies look verdicts up in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from hack import sizing as generator
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.settings import Settings
from kaito.sizing.fit import fit
from kaito.sizing.tuning import tuning_fit
from kaito.sizing.verdicts import verdicts

FILE = Path("manifests/admission/sizing.yaml")
APPLY_BYTES = 262_144
"""What `kubectl apply` can keep of an object in its annotation."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(Path("presets"), origin="kaito")


@pytest.fixture(scope="module")
def table() -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(FILE.read_text())["data"]
    return found


def test_the_committed_table_is_what_sizing_says() -> None:
    assert generator.rendered(Settings()) == FILE.read_text()


def test_a_table_that_was_edited_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "FILE", tmp_path / "manifests" / "admission" / "sizing.yaml")
    monkeypatch.setattr(generator, "verdicts", lambda _: {"most": "8"})
    generator.FILE.parent.mkdir(parents=True)

    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    generator.FILE.write_text("edited")
    assert generator.main(["--check"]) == 1


def test_every_key_and_size_is_one_that_a_config_map_may_have(table: dict[str, str]) -> None:
    assert [key for key in table if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key)] == []
    assert FILE.stat().st_size < APPLY_BYTES
    assert all(isinstance(text, str) for text in table.values())


def test_no_text_but_a_short_number_could_be_taken_for_a_number(table: dict[str, str]) -> None:
    for key, text in table.items():
        assert not text.isdigit() or len(text) < 4, key


def test_a_row_says_on_how_many_nodes_a_model_fits(catalog: Catalog, table: dict[str, str]) -> None:
    for preset in list(catalog.models())[::5]:
        for sku in list(catalog.skus.values())[::4]:
            letter = table[f"serve.{preset.name}"][int(table[f"index.{sku.name}"])]
            if letter == "-":
                assert not fit(preset, sku, nodes=8).fits
                continue
            least = "abcdefgh".index(letter) + 1
            assert fit(preset, sku, nodes=least).fits
            assert least == 1 or not fit(preset, sku, nodes=least - 1).fits


def test_a_row_of_tuning_says_yes_or_no(catalog: Catalog, table: dict[str, str]) -> None:
    preset = catalog.presets["phi-3-mini-4k-instruct"]
    for sku in catalog.skus.values():
        letter = table[f"qlora.{preset.name}"][int(table[f"index.{sku.name}"])]
        assert letter == ("a" if tuning_fit(preset, sku, method="qlora").fits else "-")


def test_every_name_of_a_model_is_found_in_any_case(
    catalog: Catalog, table: dict[str, str]
) -> None:
    for preset in catalog.models():
        for name in (preset.name, *preset.aliases):
            assert table[f"name.{name.lower().replace('/', '_')}"] == preset.name


@pytest.mark.parametrize(("cloud", "origin"), [("aws", "kaito"), ("arc", "upstream")])
def test_every_cloud_has_a_table_of_its_own(cloud: str, origin: str) -> None:
    settings = Settings.model_validate({"cloud": cloud, "preset_images": origin})
    catalog = read_catalog(settings.presets_dir, cloud=cloud, origin=settings.preset_images)

    found = verdicts(catalog)

    assert {key for key in found if key.startswith("gpus.")} == {
        f"gpus.{name}" for name in catalog.skus
    }
