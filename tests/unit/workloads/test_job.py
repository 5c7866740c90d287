"""The Job of a tuning: what runs, where its files are, and who it belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from kaito.kube.objects import Manifest
from kaito.workloads.carrier import Carrier
from kaito.workloads.tuning import run_of
from tests.unit.controllers.workspace.worlds import UID
from tests.unit.workloads.jobs import TUNING, rendered, tuner
from tests.unit.workloads.wire import OWNER, at


def pod(manifest: Manifest) -> Any:
    return at(manifest, "spec", "template", "spec")


def trainer(manifest: Manifest) -> Any:
    (found,) = pod(manifest)["containers"]
    return found


def flags(manifest: Manifest) -> dict[str, str]:
    words = (word.removeprefix("--") for word in trainer(manifest)["command"][2:])
    return dict(word.split("=", 1) for word in words)


def mounted(manifest: Manifest, path: str) -> Any:
    """The volume that the trainer sees at a path."""
    (mount,) = [one for one in trainer(manifest)["volumeMounts"] if one["mountPath"] == path]
    (volume,) = [one for one in pod(manifest)["volumes"] if one["name"] == mount["name"]]
    return volume


def test_the_job_belongs_to_its_workspace_and_never_gives_its_pod_up() -> None:
    job = rendered(tuner())

    assert at(job, "metadata", "ownerReferences") == [OWNER]
    assert at(job, "spec", "backoffLimit") == 2**31 - 1
    assert at(job, "spec", "podReplacementPolicy") == "Failed"
    assert pod(job)["restartPolicy"] == "OnFailure"


def test_one_gpu_is_asked_for_on_the_node_that_was_bought() -> None:
    job = rendered(tuner())

    node = at(pod(job), "affinity", "nodeAffinity")
    terms = node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    wanted = {one["key"]: one["values"] for one in terms[0]["matchExpressions"]}
    assert trainer(job)["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert wanted["kaito.sh/workspace-uid"] == [UID]


def test_the_pod_is_restricted() -> None:
    job = rendered(tuner())

    assert pod(job)["automountServiceAccountToken"] is False
    assert pod(job)["securityContext"]["runAsNonRoot"] is True
    assert pod(job)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert trainer(job)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_the_trainer_is_pid_1_and_told_what_to_do() -> None:
    job = rendered(tuner())

    told = flags(job)
    environment = {one["name"]: one["value"] for one in trainer(job)["env"]}
    assert trainer(job)["command"][:2] == ["python", "/workspace/tuning/trainer.py"]
    assert told["method"] == "qlora"
    assert told["output-image"] == "r.example/team/adapter:1"
    assert "config" not in told
    assert environment["TUNING_URLS"].split() == TUNING["input"]["urls"]
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == environment["HF_HUB_DISABLE_XET"] == "1"


def test_the_push_secret_is_a_file_that_the_operator_does_not_read() -> None:
    job = rendered(tuner())

    volume = mounted(job, f"{flags(job)['secrets-folder']}/push.me")
    assert volume["secret"]["secretName"] == "push.me"
    assert volume["secret"]["optional"] is True


def test_a_config_map_is_mounted_and_its_absence_left_to_the_trainer() -> None:
    job = rendered(tuner(config="mine"))

    assert mounted(job, "/mnt/config")["configMap"] == {"name": "mine", "optional": True}
    assert flags(job)["config"] == "/mnt/config/training_config.yaml"
    assert flags(job)["config-map"] == "mine"


def test_a_volume_holds_the_result_and_the_checkpoints() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "results"}}

    job = rendered(tuner(output={"volumeSource": claim}))

    assert mounted(job, "/mnt/output")["persistentVolumeClaim"] == {"claimName": "results"}
    assert flags(job)["output-folder"] == "/mnt/output"
    assert flags(job)["work-folder"].startswith("/mnt/output/.")
    assert "output-image" not in flags(job)


def test_a_volume_of_data_is_only_read() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "data"}}

    job = rendered(tuner(input={"volumeSource": claim}))

    (mount,) = [one for one in trainer(job)["volumeMounts"] if one["mountPath"] == "/mnt/data"]
    assert mounted(job, "/mnt/data")["persistentVolumeClaim"] == {"claimName": "data"}
    assert mount["readOnly"] is True


def test_a_data_set_in_an_image_is_fetched_before_the_trainer_starts() -> None:
    source = {"image": "r.example/data:1", "imagePullSecrets": ["pull"]}

    job = rendered(tuner(input=source))

    (fetcher,) = pod(job)["initContainers"]
    words = " ".join(fetcher["command"])
    assert "pull --to=/mnt/data" in words
    assert '"image":"r.example/data:1"' in words
    assert {one["mountPath"] for one in fetcher["volumeMounts"]} >= {"/mnt/data"}


def test_authorities_and_proxies_of_the_operator_reach_the_trainer() -> None:
    carrier = Carrier(ca_bundle="authorities", environment=(("HTTPS_PROXY", "http://p:1"),))

    job = rendered(tuner(), carrier=carrier)

    folder = flags(job)["ca-bundle"].rpartition("/")[0]
    assert mounted(job, folder)["configMap"] == {"name": "authorities", "optional": True}
    assert {"name": "HTTPS_PROXY", "value": "http://p:1"} in trainer(job)["env"]


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {"urls": ["https://a.example/three.parquet"]}},
        {"output": {"image": "r.example/team/adapter:2", "imagePushSecret": "push.me"}},
        {"config": "other"},
    ],
    ids=["input", "output", "config"],
)
def test_another_spec_is_another_run(changes: dict[str, Any]) -> None:
    assert run_of(tuner()) == run_of(tuner())
    assert run_of(tuner(**changes)) != run_of(tuner())
