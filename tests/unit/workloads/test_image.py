"""Which image a model comes in."""

from __future__ import annotations

from kaito.workloads.image import ModelImage, model_image, preset_of
from tests.unit.controllers.workspace.worlds import PRESET, workspace

PRIVATE = {"accessMode": "private", "presetOptions": {"image": "me/phi:7"}}
TUNING = {
    "preset": {"name": "phi"},
    "method": "lora",
    "input": {"urls": ["https://example.com/d"]},
    "output": {"image": "me/adapter:1"},
}


def test_a_public_image_comes_from_the_registry_of_the_settings() -> None:
    assert model_image(workspace(), PRESET, registry="mcr.example/kaito") == ModelImage(
        "mcr.example/kaito/kaito-phi:1"
    )


def test_without_a_registry_a_public_image_has_its_bare_name() -> None:
    assert model_image(workspace(), PRESET, registry="") == ModelImage("kaito-phi:1")


def test_a_private_image_is_the_user_s_own_and_may_be_pulled_without_a_secret() -> None:
    subject = workspace(inference={"preset": {"name": "phi", **PRIVATE}})

    assert model_image(subject, PRESET, registry="mcr.example") == ModelImage("me/phi:7")


def test_options_of_a_public_preset_do_not_replace_its_image() -> None:
    options = {"accessMode": "public", "presetOptions": {"image": "me/phi:7"}}
    subject = workspace(inference={"preset": {"name": "phi", **options}})

    assert model_image(subject, PRESET, registry="") == ModelImage("kaito-phi:1")


def test_the_preset_is_found_where_the_workspace_names_it() -> None:
    serving, tuning = preset_of(workspace()), preset_of(workspace(inference=None, tuning=TUNING))
    template = workspace(inference={"template": {"spec": {}}})

    assert serving is not None
    assert serving.name == "phi"
    assert tuning is not None
    assert tuning.name == "phi"
    assert preset_of(template) is None
    assert preset_of(workspace(inference=None)) is None
