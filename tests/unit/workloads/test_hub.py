"""What a model that is fetched from the hub needs in its pod, and how a deaf launcher is ended."""

from __future__ import annotations

from pathlib import Path

from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.workloads.carrier import Carrier
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


PROXY = ("HTTPS_PROXY", "http://proxy:8080")
MIRROR = ("HF_ENDPOINT", "https://hub.example")


def connected(preset: Preset, *variables: tuple[str, str]) -> Manifest:
    """The Deployment that serves a preset, by these settings."""
    carrier = Carrier(ca_bundle="authorities", environment=variables)
    subject = workspace(inference={"preset": {"name": "m"}})
    ground = Ground(gpus=1, dedicated=True)
    return rendered_inference(subject, preset, registry="", ground=ground, carrier=carrier)


def variables(manifest: Manifest) -> dict[str, str]:
    """Plain variables of the server."""
    return {one["name"]: one["value"] for one in container(manifest)["env"] if "value" in one}


def test_a_mirror_of_the_hub_is_reached_with_its_own_authority() -> None:
    made = connected(OURS["qwen3.6-27b"], PROXY, MIRROR)

    told = variables(made)
    assert told.items() >= {PROXY, MIRROR}
    mounts = {mount["mountPath"]: mount["name"] for mount in container(made)["volumeMounts"]}
    folder, _, file = told["SSL_CERT_FILE"].rpartition("/")
    assert file == "ca.crt"
    (volume,) = [one for one in pod(made)["volumes"] if one["name"] == mounts[folder]]
    assert volume["configMap"]["name"] == "authorities"


def test_the_public_hub_is_trusted_as_usual() -> None:
    assert "SSL_CERT_FILE" not in variables(connected(OURS["qwen3.6-27b"], PROXY))


def test_a_server_that_has_its_weights_is_told_of_no_hub() -> None:
    assert not {"HTTPS_PROXY", "HF_ENDPOINT"} & set(
        variables(connected(OURS["phi-4"], PROXY, MIRROR))
    )
