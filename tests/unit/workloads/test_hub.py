"""What a model that is fetched from the hub needs in its pod, and how a deaf launcher is ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kaito.api.workspace import Workspace
from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.settings import Settings
from kaito.workloads.carrier import FLAG, PLAIN_CARRIER, Carrier
from kaito.workloads.inference import Ground, rendered_inference
from kaito.workloads.preflight import needs_preflight, preflight_items, rendered_preflight
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.workloads.wire import container, pod

OURS = read_catalog(Path("presets"), origin="kaito").presets
THEIRS = read_catalog(Path("presets"), origin="upstream").presets


def opened(name: str, *, by: str | None) -> Workspace:
    """A Workspace of a preset, with the name of a secret for the hub."""
    options = {"modelAccessSecret": by} if by else {}
    return workspace(inference={"preset": {"name": name, "presetOptions": options}})


def rendered(preset: Preset, *, opened_by: str | None = None) -> Manifest:
    """The Deployment that serves a preset, with the name of a secret for the hub."""
    subject = opened("m", by=opened_by)
    return rendered_inference(subject, preset, registry="", ground=Ground(gpus=1))


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


def test_the_token_is_tried_before_a_node_is_bought() -> None:
    subject = opened(OURS["qwen3.6-27b"].name, by="hub")
    look: Any = rendered_preflight(subject, PLAIN_CARRIER, OURS["qwen3.6-27b"])

    (checking,) = look["spec"]["containers"]
    (item,) = [json.loads(word[len(FLAG) :]) for word in checking["command"] if FLAG in word]
    assert item == {
        "field": "inference.preset.presetOptions.modelAccessSecret",
        "kind": "model",
        "url": "https://huggingface.co/Qwen/Qwen3.6-27B/resolve/main/config.json",
        "secrets": ["hub"],
    }
    (volume,) = [one["secret"] for one in look["spec"]["volumes"] if "secret" in one]
    assert (volume["secretName"], volume["optional"]) == ("hub", True)
    assert [one["key"] for one in volume["items"]] == ["HF_TOKEN"]


def test_a_model_that_needs_no_token_is_not_asked_for() -> None:
    assert not needs_preflight(opened("phi-4", by="hub"), OURS["phi-4"])
    assert not needs_preflight(opened("qwen3.6-27b", by=None), OURS["qwen3.6-27b"])


def test_a_model_of_the_hub_that_wants_a_token_is_tried_without_one_too() -> None:
    name = "llama-3.3-70b-instruct"
    (item,) = preflight_items(opened(name, by=None), OURS[name])

    assert (item.kind, item.secrets) == ("model", ())


@pytest.mark.parametrize("presets", [OURS, THEIRS], ids=["kaito", "upstream"])
def test_the_name_on_the_hub_is_the_first_alias_of_every_model_from_there(
    presets: Mapping[str, Preset],
) -> None:
    fetched = [one for one in presets.values() if one.images and one.image.weights == "hub"]

    assert fetched
    for preset in fetched:
        assert preset.aliases[0] in {word.removeprefix("--model=") for word in preset.command}


def test_a_launcher_that_ignores_sigterm_gets_a_hook() -> None:
    assert "lifecycle" not in container(rendered(OURS["phi-4"]))
    hook = container(rendered(THEIRS["falcon-7b"]))["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == list(THEIRS["falcon-7b"].image.pre_stop)


@pytest.mark.parametrize("presets", [OURS, THEIRS], ids=["kaito", "upstream"])
@pytest.mark.parametrize("runtime", ["transformers", "vllm"])
def test_no_server_of_the_catalogue_reports_to_anybody(
    presets: Mapping[str, Preset], runtime: str
) -> None:
    wanted = {"HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET"}
    wanted |= {"VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"} if runtime == "vllm" else set()
    rows = {n: one for n, one in presets.items() if one.images and one.image.runtime == runtime}
    told = {name: variables(rendered(preset)) for name, preset in rows.items()}

    assert told
    assert {
        name: left
        for name, found in told.items()
        if (left := wanted - {one for one, value in found.items() if value == "1"})
    } == {}


PROXY = ("HTTPS_PROXY", "http://proxy:8080")
MIRROR = ("HF_ENDPOINT", "https://hub.example")


def connected(
    preset: Preset, *variables: tuple[str, str], adapters: Sequence[object] = ()
) -> Manifest:
    """The Deployment that serves a preset, by these settings."""
    carrier = Carrier(ca_bundle="authorities", environment=variables)
    subject = workspace(inference={"preset": {"name": "m"}, "adapters": list(adapters)})
    ground = Ground(gpus=1)
    return rendered_inference(subject, preset, registry="", ground=ground, carrier=carrier)


def variables(manifest: Manifest) -> dict[str, str]:
    """Plain variables of the server."""
    return {one["name"]: one["value"] for one in container(manifest)["env"] if "value" in one}


@pytest.mark.parametrize("hub", [(), (MIRROR,)], ids=["the public hub", "a mirror"])
def test_every_hub_is_trusted_by_the_usual_authorities_and_ones_own(
    hub: tuple[tuple[str, str], ...],
) -> None:
    made = connected(OURS["qwen3.6-27b"], PROXY, *hub)

    told = variables(made)
    (writing,) = pod(made)["initContainers"]
    folder, _, file = told["SSL_CERT_FILE"].rpartition("/")
    assert told.items() >= {PROXY, *hub}
    assert told["REQUESTS_CA_BUNDLE"] == told["SSL_CERT_FILE"]
    assert file == "ca.crt"
    assert writing["command"][2:] == ["trust", f"--to={folder}", "--ca-bundle=/etc/kaito/ca/ca.crt"]
    seen = [mounts(one)[folder] for one in (writing, container(made))]
    assert seen[0] == seen[1]
    bundle = mounts(writing)["/etc/kaito/ca"]
    (volume,) = [one for one in pod(made)["volumes"] if one["name"] == bundle]
    assert volume["configMap"] == {"name": "authorities", "optional": True}


def mounts(one: Any) -> dict[str, str]:
    """Paths of a container, and the volumes that are seen there."""
    return {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}


def test_with_adapters_too_every_volume_is_there_once() -> None:
    adapter = {"source": {"name": "legal", "image": "r.example/legal:1"}}
    made = connected(OURS["qwen3.6-27b"], PROXY, adapters=[adapter])

    names = [volume["name"] for volume in pod(made)["volumes"]]
    used = {name for one in pod(made)["initContainers"] for name in mounts(one).values()}
    assert len(names) == len(set(names))
    assert used <= set(names)
    assert [one["name"] for one in pod(made)["initContainers"]] == ["authorities", "adapters"]


def test_a_server_that_has_its_weights_is_told_of_no_hub() -> None:
    assert not {"HTTPS_PROXY", "HF_ENDPOINT"} & set(
        variables(connected(OURS["phi-4"], PROXY, MIRROR))
    )


@pytest.mark.parametrize(("is_offline", "said"), [(True, "1"), (False, None)])
def test_a_pod_asks_no_hub_where_the_operator_says_so(
    said: str | None, *, is_offline: bool
) -> None:
    settings = Settings(hub_offline=is_offline)
    told = variables(connected(OURS["qwen3.6-27b"], *settings.carrier.environment))

    assert told.get("HF_HUB_OFFLINE") == said
