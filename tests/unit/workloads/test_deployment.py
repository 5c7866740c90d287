"""The Deployment that serves a preset, against what users of KAITO rely on."""

from __future__ import annotations

from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

import pytest

from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import PRESET, UID, workspace
from tests.unit.workloads.wire import OWNER, at, container, deployment, pod

PINNED = {"key": "kaito.sh/workspace-uid", "operator": "In", "values": [UID]}
HASH = "workspace.kaito.io/hash"


def selecting(**selector: object) -> dict[str, object]:
    return {"instanceType": "Standard_X", "labelSelector": selector}


def required(manifest: object) -> Any:
    (term,) = at(
        manifest,
        *("spec", "template", "spec", "affinity", "nodeAffinity"),
        *("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"),
    )
    return term["matchExpressions"]


def revision_of(manifest: object) -> Any:
    return at(manifest, "metadata", "annotations", HASH)


def test_it_is_named_after_the_workspace_and_belongs_to_it() -> None:
    made = deployment()

    assert at(made, "apiVersion") == "apps/v1"
    assert at(made, "kind") == "Deployment"
    assert at(made, "metadata", "name") == "w"
    assert at(made, "metadata", "namespace") == "default"
    assert at(made, "metadata", "labels") == {"kaito.sh/workspace": "w"}
    assert at(made, "metadata", "ownerReferences") == [OWNER]


def test_it_selects_the_pods_that_it_makes() -> None:
    made = deployment()

    assert at(made, "spec", "selector", "matchLabels") == {"kaito.sh/workspace": "w"}
    assert at(made, "spec", "template", "metadata", "labels") == {"kaito.sh/workspace": "w"}
    assert at(made, "spec", "replicas") == 1


def test_no_pod_is_ever_surplus_because_its_gpus_would_be_taken() -> None:
    assert at(deployment(), "spec", "strategy") == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }


def test_pods_tolerate_the_taints_of_gpu_nodes_and_no_others() -> None:
    assert pod(deployment())["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
    ]


def test_pods_go_to_nodes_with_every_label_of_the_selector() -> None:
    subject = workspace(
        resource=selecting(
            matchLabels={"apps": "phi"},
            matchExpressions=[{"key": "tier", "operator": "In", "values": ["gpu"]}],
        )
    )

    assert required(deployment(subject)) == [
        {"key": "apps", "operator": "In", "values": ["phi"]},
        PINNED,
        {"key": "tier", "operator": "In", "values": ["gpu"]},
    ]


def test_a_selector_of_expressions_alone_still_chooses_nodes() -> None:
    only = [{"key": "tier", "operator": "In", "values": ["gpu"]}]
    subject = workspace(resource=selecting(matchExpressions=only))

    assert required(deployment(subject)) == [PINNED, *only]


@pytest.mark.parametrize("gpus", [1, 4])
def test_a_pod_asks_for_the_node_s_gpus_no_more_no_less(gpus: int) -> None:
    wanted = {"nvidia.com/gpu": str(gpus)}

    assert container(deployment(gpus=gpus))["resources"] == {"requests": wanted, "limits": wanted}


def test_the_model_server_is_the_one_container() -> None:
    found = container(deployment(registry="mcr.example/aks/kaito"))

    assert found["name"] == "w"
    assert found["image"] == "mcr.example/aks/kaito/kaito-phi:1"
    assert found["command"] == ["serve"]
    assert found["ports"] == [{"name": "http", "containerPort": 5000, "protocol": "TCP"}]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_health_is_asked_of_the_port_that_serves(probe: str) -> None:
    found = container(deployment())[probe]

    assert found["httpGet"] == {"path": "/healthz", "port": 5000}
    assert found["timeoutSeconds"] >= 5


def test_loading_may_take_as_long_as_the_preset_says_before_anything_is_killed() -> None:
    startup = container(deployment())["startupProbe"]

    assert startup["periodSeconds"] * startup["failureThreshold"] == 1800
    assert at(deployment(), "spec", "progressDeadlineSeconds") == 1800


def test_a_busy_server_is_not_killed_within_a_minute() -> None:
    liveness = container(deployment())["livenessProbe"]

    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_shared_memory_is_mounted_for_torch() -> None:
    assert {"name": "dshm", "emptyDir": {"medium": "Memory"}} in pod(deployment())["volumes"]
    mounts = {one["name"]: one["mountPath"] for one in container(deployment())["volumeMounts"]}
    assert PurePosixPath(mounts["dshm"]).parts == ("/", "dev", "shm")


def test_a_pod_cannot_talk_to_the_api_server_nor_gain_rights() -> None:
    found = pod(deployment())

    assert found["automountServiceAccountToken"] is False
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["runAsUser"] > 0
    assert container(deployment())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_a_server_writes_to_its_home_and_to_tmp_alone() -> None:
    made = deployment()
    folders = {one["name"]: one.get("emptyDir") for one in pod(made)["volumes"]}
    places = {one["mountPath"]: folders[one["name"]] for one in container(made)["volumeMounts"]}
    (home,) = [one["value"] for one in container(made)["env"] if one["name"] == "HOME"]

    assert places[home] == {}
    assert places[str(PurePosixPath("/", "tmp"))] == {}


def test_an_image_that_needs_root_gets_it_and_nothing_else() -> None:
    reason = "its launcher writes beside its own files"
    image = PRESET.image.model_copy(update={"needs_root": reason})
    preset = PRESET.model_copy(update={"images": (image,)})
    made = rendered_inference(workspace(), preset, registry="", ground=Ground(gpus=1))

    assert pod(made)["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert container(made)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "HOME" not in {one["name"] for one in container(made)["env"]}


def test_a_private_model_is_pulled_with_the_user_s_secrets() -> None:
    options = {"image": "me.azurecr.io/phi:7", "imagePullSecrets": ["a", "b"]}
    subject = workspace(
        inference={
            "preset": {"name": "phi", "accessMode": "private", "presetOptions": options},
        }
    )

    made = deployment(subject, registry="mcr.example")

    assert container(made)["image"] == "me.azurecr.io/phi:7"
    assert pod(made)["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_a_public_model_needs_no_secret() -> None:
    assert pod(deployment())["imagePullSecrets"] == []


def test_the_same_wish_has_the_same_revision() -> None:
    assert revision_of(deployment()) == revision_of(deployment())
    annotated = workspace()
    metadata = annotated.metadata.model_copy(
        update={"generation": 9, "resource_version": "99", "annotations": {"a": "b"}}
    )
    assert revision_of(deployment(annotated.model_copy(update={"metadata": metadata}))) == (
        revision_of(deployment())
    )


def test_whatever_changes_the_spec_changes_the_revision() -> None:
    private = {"accessMode": "private", "presetOptions": {"image": "me/phi:7"}}
    made = [
        deployment(),
        deployment(gpus=2),
        deployment(registry="mcr.example"),
        deployment(workspace(inference={"preset": {"name": "phi", **private}})),
        deployment(workspace(resource=selecting(matchLabels={"apps": "other"}))),
    ]

    assert len({revision_of(one) for one in made}) == len(made)
    for one in made:
        same_spec = [other for other in made if at(other, "spec") == at(one, "spec")]
        assert same_spec == [one]


def test_rendering_leaves_nothing_shared_that_a_reader_could_spoil() -> None:
    first = deployment()
    kept = deepcopy(first)
    container(first)["command"].append("spoilt")

    assert deployment() == kept
