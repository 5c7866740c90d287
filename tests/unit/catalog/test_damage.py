"""Damage to a file of the catalogue is one line that names the file and the field."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from kaito.catalog.catalog import read_catalog
from kaito.catalog.document import BrokenCatalog

FILES = ("models/phi-4.yaml", "models/falcon-7b.yaml", "skus/azure.yaml")
MODEL, OLD, SKUS = FILES


@pytest.fixture
def presets(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(Path("presets") / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        pytest.param(MODEL, "license:", "licence:", "licence: Extra inputs", id="unknown key"),
        pytest.param(MODEL, "  layers: 40", "  layer: 40", "geometry.layers: ", id="misspelt key"),
        pytest.param(
            MODEL, "disk_storage: 107Gi", "disk_storage: 107GB", "disk_storage: ", id="wrong unit"
        ),
        pytest.param(
            MODEL, "weights_gib: 27.31", "weights_gib: 27.31Gi", "geometry.weights_gib: ", id="unit"
        ),
        pytest.param(MODEL, "layers: 40", "layers: 0", "geometry.layers: ", id="out of range"),
        pytest.param(
            MODEL, "aliases: [", "aliases: [falcon-7b, ", "'falcon-7b' is taken", id="alias twice"
        ),
        pytest.param(
            MODEL, "aliases: [", "aliases: [Falcon-7B, ", "'Falcon-7B' is taken", id="alias in case"
        ),
        pytest.param(
            MODEL,
            "{tensor_parallel}",
            "{tensor_paralel}",
            "images.1: {tensor_paralel} is no",
            id="word",
        ),
        pytest.param(MODEL, "license: mit\n", "", "license: is absent", id="no reason"),
        pytest.param(OLD, "  license: the", "  license: ''\n#", "left_out.license: ", id="silence"),
        pytest.param(OLD, "access: public\n", "", "access: is absent", id="missing figure"),
        pytest.param(
            OLD,
            "left_out:\n",
            "left_out:\n  access: nobody knows it\n",
            "left_out.access: ",
            id="so",
        ),
        pytest.param(OLD, "  geometry: the", "  geometri: the", "geometry: is absent", id="typo"),
        pytest.param(MODEL, "name: phi-4\n", "name: phi-5\n", "name: is 'phi-5'", id="file's name"),
        pytest.param(MODEL, "geometry:", "geometry: [", "is not YAML", id="no YAML"),
        pytest.param(MODEL, "attention: gqa", "attention: mla", "geometry: kv_rank", id="half MLA"),
        pytest.param(SKUS, "gpus: 1", "gpus: one", "skus.0.gpus: ", id="no number"),
        pytest.param(
            SKUS, "_gib: 12", "_gb: 12", "skus.0.gpu_memory_gib: ", id="wrong unit of GPU"
        ),
        pytest.param(
            SKUS,
            "name: Standard_NC12\n",
            "name: Standard_NC6\n",
            "Standard_NC6 is there twice",
            id="type twice",
        ),
        pytest.param(
            SKUS,
            "successor: Standard_NC4as_T4_v3",
            "successor: Standard_NC4",
            "successor: ",
            id="successor",
        ),
        pytest.param(
            SKUS,
            "sold_as: Standard_ND96asr_v4",
            "sold_as: Standard_ND96asr",
            "Standard_ND96asr_A100_v4.sold_as: Standard_ND96asr is not in the table",
            id="spelling",
        ),
        pytest.param(SKUS, "skus:", "types:", "skus: must be a list", id="no rows"),
    ],
)
def test_damage_is_one_clear_line(presets: Path, file: str, old: str, new: str, said: str) -> None:
    path = presets / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(BrokenCatalog) as caught:
        read_catalog(presets)

    message = str(caught.value)
    assert message.startswith(f"{path.name}: ")
    assert said in message
    assert "\n" not in message
    assert len(message) < 200


def test_an_undamaged_catalogue_is_read(presets: Path) -> None:
    assert {model.name for model in read_catalog(presets).models()} == {"phi-4", "falcon-7b"}


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenCatalog, match=r"models: holds no \*\.yaml"):
        read_catalog(tmp_path)


def test_a_cloud_without_a_file_is_named(presets: Path) -> None:
    with pytest.raises(BrokenCatalog, match=r"aws\.yaml: cannot be read: No such file"):
        read_catalog(presets, cloud="aws")


def test_the_controller_ends_with_one_line_that_says_so(presets: Path) -> None:
    path = presets / MODEL
    path.write_text(path.read_text().replace("layers: 40", "layers: 0"))
    environment = {name: value for name, value in os.environ.items() if "KAITO_" not in name}
    command = [sys.executable, "-m", "kaito", "--log-format=json", f"--presets-dir={presets}"]

    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=60
    )

    events = [json.loads(line) for line in (ended.stdout + ended.stderr).splitlines()]
    refused = [event for event in events if event["event"] == "catalog.refused"]
    assert ended.returncode == 1
    assert [event["event"] for event in events] == ["settings.loaded", "catalog.refused"]
    assert refused[0]["error"].startswith("phi-4.yaml: geometry.layers: ")


def checked(entry: object, schema: str) -> None:
    """Validate by the published schema, with a validator that is not ours."""
    text = json.dumps(entry, default=date.isoformat)
    jsonschema.validate(
        json.loads(text), json.loads((Path("presets/schemas") / f"{schema}.json").read_text())
    )


def test_every_file_satisfies_the_published_schema() -> None:
    for path in Path("presets/models").glob("*.yaml"):
        checked(yaml.safe_load(path.read_text()), "model")
    for path in Path("presets/skus").glob("*.yaml"):
        for row in yaml.safe_load(path.read_text())["skus"]:
            checked(row, "sku")


@pytest.mark.parametrize(
    "change",
    [{"licence": "mit"}, {"images": [{"origin": "nobody"}]}, {"left_out": {"tuning": "no"}}],
)
def test_the_published_schema_refuses_damage_too(change: dict[str, object]) -> None:
    entry = yaml.safe_load(Path("presets/models/phi-4.yaml").read_text())

    with pytest.raises(jsonschema.ValidationError):
        checked(entry | change, "model")
