"""The quick starts are the ones that users know, to the byte, and each is a Workspace."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from kaito.api.workspace import Workspace

EXAMPLES = Path(__file__).parents[3] / "manifests" / "examples"

DIGESTS = {
    "inference-phi-3-mini-with-adapter.yaml": (
        "354dbeddb8af161dd612e888c54cd7c3e145ad349587f75d937eea2c8cab6136"
    ),
    "inference-phi-3-mini.yaml": (
        "ad2f0510f2d4e8521cdddc9676fd51246612cec6cc87af4e2d628de1cd5154da"
    ),
    "tuning-phi-3-mini-128k.yaml": (
        "8182651dca7607dfc39182532f860bd0dd7923a3b2b64f873e397808e60aff7d"
    ),
    "tuning-phi-3-mini-4k.yaml": (
        "066c79b5adb884114bc499ed4428510f3fa4d9fb1ffad704ed2115e852433b91"
    ),
    "tuning-phi-3.yaml": "0b06f6df121dacaa29c830d6de60de124ac85df2e523542191399174905b2497",
}


def decoded(name: str) -> Workspace:
    return Workspace.model_validate(yaml.safe_load((EXAMPLES / name).read_text()))


@pytest.mark.parametrize("name", DIGESTS)
def test_a_quick_start_is_unchanged_to_the_byte(name: str) -> None:
    assert hashlib.sha256((EXAMPLES / name).read_bytes()).hexdigest() == DIGESTS[name]


def test_a_served_quick_start_says_what_and_on_what() -> None:
    found = decoded("inference-phi-3-mini.yaml")

    assert found.metadata.name == "workspace-phi-3-mini"
    assert found.resource.count == 1
    assert found.resource.instance_type == "Standard_NC6s_v3"
    assert found.resource.label_selector.match_labels == {"apps": "phi-3"}
    assert found.inference is not None
    assert found.inference.preset is not None
    assert found.inference.preset.name == "phi-3-mini-4k-instruct"
    assert found.inference.preset.access_mode == "public"
    assert found.inference.adapters == ()
    assert found.tuning is None


def test_a_quick_start_with_an_adapter_names_it_and_its_weight() -> None:
    found = decoded("inference-phi-3-mini-with-adapter.yaml")

    assert found.inference is not None
    (adapter,) = found.inference.adapters
    assert adapter.source.name == "phi-3-adapter"
    assert adapter.source.image == "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1"
    assert adapter.strength == "1.0"


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("tuning-phi-3.yaml", "phi-3-mini-128k-instruct"),
        ("tuning-phi-3-mini-4k.yaml", "phi-3-mini-4k-instruct"),
        ("tuning-phi-3-mini-128k.yaml", "phi-3-mini-128k-instruct"),
    ],
)
def test_a_tuning_quick_start_says_what_goes_in_and_where_it_goes(name: str, preset: str) -> None:
    found = decoded(name)

    assert found.inference is None
    assert found.tuning is not None
    assert found.tuning.preset.name == preset
    assert found.tuning.method == "qlora"
    assert found.tuning.config is None
    assert found.tuning.input.urls[0].startswith("https://huggingface.co/datasets/")
    assert found.tuning.output.model_dump(by_alias=True, exclude_none=True) == {
        "image": "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1",
        "imagePushSecret": "ACR_REGISTRY_SECRET_HERE",
    }


def test_every_quick_start_is_pinned() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(DIGESTS)
