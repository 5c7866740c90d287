"""What a model that is fetched from the hub needs in its pod, and how a deaf launcher is ended."""

from __future__ import annotations

from pathlib import Path

from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.workloads.wire import container, pod

OURS = read_catalog(Path("presets"), origin="kaito").presets
THEIRS = read_catalog(Path("presets"), origin="upstream").presets


def rendered(preset: Preset, *, opened_by: str | None = None) -> Manifest:
    """The Deployment that serves a preset, with the name of a secret for the hub."""
    options = {"modelAccessSecret": opened_by} if opened_by else {}
    subject = workspace(inference={"preset": {"name": "m", "presetOptions": options}})
    return rendered_inference(subject, preset, registry="", ground=Ground(gpus=1, dedicated=True))


def test_weights_from_the_hub_have_a_volume_of_their_own() -> None:
    made = rendered(OURS["qwen3.6-27b"])

    assert {"name": "weights", "emptyDir": {}} in pod(made)["volumes"]
    assert {"name": "weights", "mountPath": "/workspace/weights"} in container(made)["volumeMounts"]


def test_weights_in_the_image_are_not_hidden_by_a_volume() -> None:
    made = rendered(OURS["phi-4"])

    assert "weights" not in {volume["name"] for volume in pod(made)["volumes"]}
    mounts = {mount["mountPath"] for mount in container(made)["volumeMounts"]}
    assert OURS["phi-4"].image.weights_path not in mounts


def test_the_hubs_token_comes_out_of_the_users_secret() -> None:
    reference = {"secretKeyRef": {"name": "hub", "key": "HF_TOKEN"}}

    given = {"name": "HF_TOKEN", "valueFrom": reference}
    assert given in container(rendered(OURS["qwen3.6-27b"], opened_by="hub"))["env"]
    for closed in (rendered(OURS["qwen3.6-27b"]), rendered(OURS["phi-4"], opened_by="hub")):
        assert "HF_TOKEN" not in {one["name"] for one in container(closed)["env"]}


def test_a_launcher_that_ignores_sigterm_gets_a_hook() -> None:
    assert "lifecycle" not in container(rendered(OURS["phi-4"]))
    hook = container(rendered(THEIRS["falcon-7b"]))["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == list(THEIRS["falcon-7b"].image.pre_stop)
