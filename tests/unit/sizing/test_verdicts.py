"""The table that admission policies look verdicts up in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from hack import sizing as generator
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.preset import Origin
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


@pytest.mark.parametrize("origin", ["kaito", "upstream"])
def test_each_committed_table_is_what_sizing_says(origin: Origin) -> None:
    settings = Settings.model_validate({"preset_images": origin})

    assert generator.rendered(settings) == Path(generator.FILES[origin]).read_text()


def test_upstream_s_table_takes_the_place_of_every_key_of_ours(table: dict[str, str]) -> None:
    patch = yaml.safe_load(Path(generator.FILES["upstream"]).read_text())

    assert patch["metadata"]["name"] == yaml.safe_load(FILE.read_text())["metadata"]["name"]
    assert set(patch["data"]) == set(table)
    assert patch["data"]["serve"] != table["serve"]


def test_a_table_that_was_edited_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "verdicts", lambda _: {"most": "8"})
    files = [tmp_path / name for name in generator.FILES.values()]
    for file in files:
        file.parent.mkdir(parents=True)

    assert generator.main(["--check"], root=tmp_path) == 1
    assert generator.main([], root=tmp_path) == 0
    assert generator.main(["--check"], root=tmp_path) == 0
    files[1].write_text("edited")
    assert generator.main(["--check"], root=tmp_path) == 1


def test_every_key_and_size_is_one_that_a_config_map_may_have(table: dict[str, str]) -> None:
    assert [key for key in table if not re.fullmatch(r"[a-z]+", key)] == []
    assert FILE.stat().st_size < APPLY_BYTES
    assert all(isinstance(text, str) for text in table.values())


def test_every_text_has_a_line_for_each_of_its_kind(
    catalog: Catalog, table: dict[str, str]
) -> None:
    lines = {key: len(text.split("\n")) for key, text in table.items()}
    kinds = {
        len(catalog.presets): ("names", "meanings"),
        len(catalog.models()): (
            *("presets", "serve", "lora", "qlora", "amounts", "tails", "limits", "bases"),
            *("needslora", "needsqlora", "untunable", "private", "whole", "least"),
        ),
        len(catalog.skus): (
            "types",
            "gpus",
            "offers",
            "usable",
            "foreign",
            "retired",
            "capabilities",
            "old",
        ),
    }

    for count, keys in kinds.items():
        assert {lines[key] for key in keys} == {count}
    assert set(table) - {key for keys in kinds.values() for key in keys} == {
        *("most", "counts", "sayunknownpreset", "sayunknowntype", "sayprivateonly"),
        *("saywhole", "sayrefusal", "sayforeign", "sayold"),
    }
    assert all(line for text in table.values() for line in text.split("\n"))


def letter(table: dict[str, str], row: str, preset: str, sku: str) -> str:
    """The verdict on one pair."""
    line = table[row].split("\n")[table["presets"].split("\n").index(preset)]
    return line[table["types"].split("\n").index(sku)]


def test_a_row_says_on_how_many_nodes_a_model_fits(catalog: Catalog, table: dict[str, str]) -> None:
    for preset in catalog.models()[::5]:
        for sku in list(catalog.skus.values())[::4]:
            found = letter(table, "serve", preset.name, sku.name)
            if found == "-":
                assert not fit(preset, sku, nodes=8).fits
                continue
            least = "abcdefgh".index(found) + 1
            assert fit(preset, sku, nodes=least).fits
            assert least == 1 or not fit(preset, sku, nodes=least - 1).fits


def test_a_row_of_tuning_says_yes_or_no(catalog: Catalog, table: dict[str, str]) -> None:
    preset = catalog.presets["phi-3-mini-4k-instruct"]
    for sku in catalog.skus.values():
        found = letter(table, "qlora", preset.name, sku.name)
        assert found == ("a" if tuning_fit(preset, sku, method="qlora").fits else "-")


def test_every_name_of_a_model_is_found_in_lower_case(
    catalog: Catalog, table: dict[str, str]
) -> None:
    names, meanings = table["names"].split("\n"), table["meanings"].split("\n")
    for preset in catalog.models():
        for name in (preset.name, *preset.aliases):
            assert meanings[names.index(name.lower())] == preset.name


@pytest.mark.parametrize(("cloud", "origin"), [("aws", "kaito"), ("arc", "upstream")])
def test_every_cloud_has_a_table_of_its_own(cloud: str, origin: str) -> None:
    settings = Settings.model_validate({"cloud": cloud, "preset_images": origin})
    catalog = read_catalog(settings.presets_dir, cloud=cloud, origin=settings.preset_images)

    found = verdicts(catalog)

    assert found["types"].split("\n") == list(catalog.skus)
