"""Pods whose server has adapters: who fetches them, with what, how the server learns of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.workloads.adapters import unserved
from kaito.workloads.carrier import Carrier
from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import PRESET, workspace
from tests.unit.workloads.wire import container, pod

CARRIER = Carrier(
    image="registry/kaito-artifacts:1",
    ca_bundle="authorities",
    environment=(("HTTPS_PROXY", "http://proxy:8080"),),
)
LEGAL = {
    "source": {"name": "legal", "image": "r.example/legal:1", "imagePullSecrets": ["team.secret"]},
    "strength": "0.5",
}
POLITE = {"source": {"name": "polite", "image": "r.example/polite:2"}}


def rendered(*adapters: Mapping[str, object], preset: Preset = PRESET) -> Manifest:
    subject = workspace(inference={"preset": {"name": "phi"}, "adapters": list(adapters)})
    ground = Ground(gpus=1)
    return rendered_inference(subject, preset, registry="", ground=ground, carrier=CARRIER)


def fetcher(manifest: Manifest) -> Any:
    """The init container that fetches."""
    (found,) = [one for one in pod(manifest)["initContainers"] if one["name"] == "adapters"]
    return found


def comparers(manifest: Manifest) -> list[Any]:
    """Those that compare what was fetched with the model."""
    return [one for one in pod(manifest)["initContainers"] if one["name"] == "adapters-fit"]


def items(manifest: Manifest) -> list[Any]:
    """What the init container is told of."""
    flag = "--item="
    words = fetcher(manifest)["command"]
    return [json.loads(word.removeprefix(flag)) for word in words if word.startswith(flag)]


def mounted(found: Any) -> dict[str, str]:
    """Paths of a container, and the volumes that are seen there."""
    return {mount["mountPath"]: mount["name"] for mount in found["volumeMounts"]}


def test_without_adapters_nothing_is_fetched() -> None:
    made = rendered()
    assert "initContainers" not in pod(made)
    assert "--adapters-dir=/workspace/adapters" not in container(made)["command"]


def test_one_init_container_is_told_of_all_adapters() -> None:
    assert items(rendered(LEGAL, POLITE)) == [
        {
            "field": "inference.adapters[0].source.image",
            "kind": "adapter",
            "image": "r.example/legal:1",
            "name": "legal",
            "strength": 0.5,
            "secrets": ["team.secret"],
        },
        {
            "field": "inference.adapters[1].source.image",
            "kind": "adapter",
            "image": "r.example/polite:2",
            "name": "polite",
            "strength": 1.0,
        },
    ]


def test_strength_zero_is_a_strength() -> None:
    (item,) = items(rendered({**LEGAL, "strength": "0"}))
    assert item["strength"] == 0


def test_the_server_reads_what_the_init_container_writes() -> None:
    made = rendered(LEGAL)
    folder = "/workspace/adapters"
    assert f"--to={folder}" in fetcher(made)["command"]
    assert f"--adapters-dir={folder}" in container(made)["command"]
    assert mounted(fetcher(made))[folder] == mounted(container(made))[folder]
    (mount,) = [one for one in container(made)["volumeMounts"] if one["mountPath"] == folder]
    assert mount["readOnly"] is True


def test_what_was_fetched_is_compared_with_the_weights_in_the_models_own_image() -> None:
    made = rendered(LEGAL)
    (found,) = comparers(made)
    folder = "/workspace/adapters"

    assert found["image"] == container(made)["image"]
    assert found["command"][:5] == [
        *("python", "/workspace/artifacts/artifacts.py", "fit"),
        *(f"--to={folder}", "--weights=/workspace/weights"),
    ]
    assert mounted(found)[folder] == mounted(fetcher(made))[folder]
    assert not [path for path in mounted(found) if "secrets" in path]


def test_an_image_that_has_no_weights_or_is_the_users_own_compares_nothing() -> None:
    hub = PRESET.image.model_copy(update={"weights": "hub"})
    own = {"name": "phi", "accessMode": "private", "presetOptions": {"image": "r.example/m:1"}}
    subject = workspace(inference={"preset": own, "adapters": [LEGAL]})
    ground = Ground(gpus=1)

    assert comparers(rendered(LEGAL, preset=of("upstream", "transformers"))) == []
    assert comparers(rendered(LEGAL, preset=PRESET.model_copy(update={"images": (hub,)}))) == []
    assert (
        comparers(rendered_inference(subject, PRESET, registry="", ground=ground, carrier=CARRIER))
        == []
    )


def test_a_pull_secret_is_mounted_where_the_program_looks_and_may_be_missing() -> None:
    made = rendered(LEGAL)
    volume = mounted(fetcher(made))["/var/run/secrets/registries/team.secret"]
    (found,) = [one for one in pod(made)["volumes"] if one["name"] == volume]
    assert found["secret"]["secretName"] == "team.secret"
    assert found["secret"]["optional"] is True
    assert "." not in volume


def test_the_server_sees_no_pull_secret() -> None:
    assert not [path for path in mounted(container(rendered(LEGAL))) if "secrets" in path]


def test_authorities_and_proxies_reach_the_program() -> None:
    made = rendered(LEGAL)
    assert "--ca-bundle=/etc/kaito/ca/ca.crt" in fetcher(made)["command"]
    volume = mounted(fetcher(made))["/etc/kaito/ca"]
    (found,) = [one for one in pod(made)["volumes"] if one["name"] == volume]
    assert found["configMap"] == {"name": "authorities", "optional": True}
    assert fetcher(made)["env"] == [{"name": "HTTPS_PROXY", "value": "http://proxy:8080"}]


def test_every_volume_that_is_mounted_is_there() -> None:
    made = rendered(LEGAL, POLITE)
    names = {volume["name"] for volume in pod(made)["volumes"]}
    for found in (fetcher(made), container(made)):
        assert set(mounted(found).values()) <= names


def test_the_init_container_is_restricted() -> None:
    context = fetcher(rendered(LEGAL))["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_a_volume_takes_the_place_of_an_image() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "adapters"}}
    made = rendered(POLITE, {"source": {"name": "legal", "volumeSource": claim}})
    item = items(made)[1]
    assert item["field"] == "inference.adapters[1].source.volumeSource"
    volume = mounted(fetcher(made))[item["folder"]]
    (found,) = [one for one in pod(made)["volumes"] if one["name"] == volume]
    assert found["persistentVolumeClaim"] == {"claimName": "adapters"}


def test_upstreams_server_gets_adapters_as_they_are_and_strengths_as_variables() -> None:
    made = rendered(LEGAL, preset=of("upstream", "transformers"))
    assert "--as-they-are" in fetcher(made)["command"]
    assert "--to=/mnt/adapter" in fetcher(made)["command"]
    assert "/mnt/adapter" in mounted(container(made))
    assert {"name": "legal", "value": "0.5"} in container(made)["env"]
    assert not [word for word in container(made)["command"] if "adapters-dir" in word]


def of(origin: str, runtime: str) -> Preset:
    row = PRESET.image.model_copy(update={"origin": origin, "runtime": runtime})
    return PRESET.model_copy(update={"images": (row,)})


def test_every_server_of_ours_is_told_of_the_folder() -> None:
    for runtime in ("transformers", "vllm"):
        made = rendered(LEGAL, POLITE, preset=of("kaito", runtime))

        assert container(made)["command"][-1] == "--adapters-dir=/workspace/adapters"


def test_a_rank_that_vllm_has_no_room_for_is_refused_where_it_is_fetched() -> None:
    # https://docs.vllm.ai/en/stable/features/lora: the ranks that --max-lora-rank takes end at 512.
    limit = "--max-rank=512"

    assert limit in fetcher(rendered(LEGAL, preset=of("kaito", "vllm")))["command"]
    assert limit not in fetcher(rendered(LEGAL, preset=of("kaito", "transformers")))["command"]


def test_a_server_that_takes_no_adapters_is_said_so() -> None:
    for served in (PRESET, of("kaito", "vllm"), of("upstream", "transformers")):
        assert unserved(served.image) == ""
    assert "serves no adapters" in unserved(of("upstream", "vllm").image)


def test_another_list_of_adapters_is_another_revision() -> None:
    revisions = {
        made["metadata"]["annotations"]["workspace.kaito.io/hash"]
        for made in (rendered(), rendered(LEGAL), rendered(LEGAL, POLITE))
        if isinstance(made["metadata"], dict)
    }
    assert len(revisions) == 3


def test_of_a_secret_only_what_pull_secrets_hold_is_mounted() -> None:
    secrets = [volume["secret"] for volume in pod(rendered(LEGAL))["volumes"] if "secret" in volume]
    (found,) = secrets
    assert [item["key"] for item in found["items"]] == [".dockerconfigjson", ".dockercfg"]
