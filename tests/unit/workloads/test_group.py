"""Pods that serve one copy of a model together, against what their servers document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.preset import Origin
from kaito.kube.objects import Manifest
from kaito.workloads.group import is_group, meeting_ports, uneven
from kaito.workloads.headless import rendered_headless
from kaito.workloads.inference import Ground, rendered_inference
from kaito.workloads.service import rendered_service
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.workloads.wire import OWNER, at, container, pod

A10, A100 = "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4"
LEADER = "w-0.w-headless.default.svc"


@pytest.fixture(scope="module")
def catalogs() -> dict[Origin, Catalog]:
    origins: tuple[Origin, ...] = ("kaito", "upstream")
    return {origin: read_catalog(Path("presets"), origin=origin) for origin in origins}


def spread(count: int = 2) -> Workspace:
    """A workspace that wants so many nodes."""
    selector = {"matchLabels": {"apps": "phi"}}
    return workspace(resource={"count": count, "labelSelector": selector})


def rendered(catalog: Catalog, model: str, type_: str, *, count: int = 2) -> Manifest:
    """The workload of a model on nodes of a type."""
    sku = catalog.skus[type_]
    ground = Ground(gpus=sku.gpus, sku=sku)
    preset = catalog.presets[model]
    return rendered_inference(spread(count), preset, registry="", ground=ground)


def environment(manifest: Manifest) -> dict[str, Any]:
    """Variables of the container, by name."""
    return {one["name"]: one for one in container(manifest)["env"]}


def test_a_model_too_large_for_one_node_is_one_stateful_set(
    catalogs: dict[Origin, Catalog],
) -> None:
    made = rendered(catalogs["kaito"], "granite-4.1-8b", A10)

    assert (at(made, "apiVersion"), at(made, "kind")) == ("apps/v1", "StatefulSet")
    assert at(made, "metadata", "name") == "w"
    assert at(made, "metadata", "ownerReferences") == [OWNER]
    assert at(made, "spec", "replicas") == 2
    assert at(made, "spec", "serviceName") == "w-headless"
    assert at(made, "spec", "podManagementPolicy") == "Parallel"
    assert at(made, "spec", "selector", "matchLabels") == {"kaito.sh/workspace": "w"}


def test_a_model_that_fits_one_node_is_copied_to_each(catalogs: dict[Origin, Catalog]) -> None:
    made = rendered(catalogs["kaito"], "granite-4.1-8b", A100)

    assert at(made, "kind") == "Deployment"
    assert at(made, "spec", "replicas") == 2
    assert not any("--nnodes" in word for word in container(made)["command"])
    assert "--pipeline-parallel-size=1" in container(made)["command"]


@pytest.mark.parametrize("type_", [A10, A100])
def test_no_node_runs_two_pods_of_a_workspace(catalogs: dict[Origin, Catalog], type_: str) -> None:
    made = rendered(catalogs["kaito"], "granite-4.1-8b", type_)

    rule = "requiredDuringSchedulingIgnoredDuringExecution"
    (term,) = pod(made)["affinity"]["podAntiAffinity"][rule]
    assert term == {
        "labelSelector": {"matchLabels": {"kaito.sh/workspace": "w"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    assert pod(made)["affinity"]["nodeAffinity"]
    assert "nodeName" not in pod(made)


def test_vllm_is_told_how_many_nodes_there_are_and_which_it_is(
    catalogs: dict[Origin, Catalog],
) -> None:
    # https://docs.vllm.ai/en/latest/serving/parallelism_scaling.html: nnodes, node-rank,
    # master-addr; workers have --headless as well.
    made = rendered(catalogs["kaito"], "granite-4.1-8b", A10)
    command = container(made)["command"]
    launcher, server = command[: command.index("--")], command[command.index("--") + 1 :]

    program = "/workspace/inference/vllm_server.py"
    assert server[:3] == ["python3", program, "ibm-granite/granite-4.1-8b"]
    assert {
        "--pipeline-parallel-size=2",
        "--distributed-executor-backend=mp",
        "--nnodes=2",
        "--node-rank=$(POD_INDEX)",
        "--master-port=29500",
    } < set(server)
    assert launcher[:2] == ["python3", "/workspace/inference/group.py"]
    assert {"--nodes=2", "--rank=$(POD_INDEX)", f"--leader={LEADER}"} < set(launcher)
    assert {"--worker-argument=--headless", "--address-argument=--master-addr"} < set(launcher)
    assert environment(made)["POD_INDEX"]["valueFrom"] == {
        "fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}
    }
    assert environment(made)["VLLM_HOST_IP"]["valueFrom"] == {
        "fieldRef": {"fieldPath": "status.podIP"}
    }


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_every_pod_of_ours_answers_for_its_health(
    catalogs: dict[Origin, Catalog], probe: str
) -> None:
    made = rendered(catalogs["kaito"], "granite-4.1-8b", A10)

    assert container(made)[probe]["httpGet"] == {"path": "/health", "port": 5000}
    assert {"--health-port=5000", "--health-path=/health"} < set(container(made)["command"])


def test_upstream_s_image_joins_its_nodes_by_ray(catalogs: dict[Origin, Catalog]) -> None:
    made = rendered(catalogs["upstream"], "phi-4", A10)

    shell, flag, text = container(made)["command"]
    assert (shell, flag) == ("/bin/sh", "-c")
    head, work = text.split("; else exec ")
    assert head.startswith(
        'if [ "$POD_INDEX" = 0 ]; then /workspace/vllm/multi-node-serving.sh leader'
        " --ray_cluster_size=2 --ray_port=6379 && exec python3 /workspace/vllm/inference_api.py "
    )
    assert "--pipeline-parallel-size=2" in head
    assert "--distributed-executor-backend=ray" in head
    assert work == (
        f"/workspace/vllm/multi-node-serving.sh worker --ray_address={LEADER} --ray_port=6379; fi"
    )


def test_upstream_s_script_asks_the_leader_for_everybody_s_health(
    catalogs: dict[Origin, Catalog],
) -> None:
    found = container(rendered(catalogs["upstream"], "phi-4", A10))

    script = ["python3", "/workspace/vllm/multi-node-health-check.py"]
    asked = f"--leader-address={LEADER}"
    for probe in ("startupProbe", "readinessProbe"):
        assert found[probe]["exec"]["command"] == [*script, "readiness", asked, "--vllm-port=5000"]
        assert "httpGet" not in found[probe]
    alive = [*script, "liveness", asked, "--ray-port=6379"]
    assert found["livenessProbe"]["exec"]["command"] == alive
    startup = found["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 1800


def test_torchrun_gives_each_node_its_share_of_the_processes(
    catalogs: dict[Origin, Catalog],
) -> None:
    made = rendered(catalogs["upstream"], "llama-2-13b", "Standard_NC6s_v3")

    (text,) = [word for word in container(made)["command"] if "torchrun" in word]
    words = text.split()
    assert {
        "--nnodes=2",
        "--nproc_per_node=1",
        "--node_rank=$(POD_INDEX)",
        f"--master_addr={LEADER}",
        "--master_port=29500",
        "--rdzv_backend=c10d",
        f"--rdzv_endpoint={LEADER}:29500",
    } < set(words)
    assert not [word for word in words if "localhost" in word]


@pytest.mark.parametrize(("nodes", "why"), [(1, ""), (2, ""), (4, ""), (8, ""), (3, "8 processes")])
def test_processes_are_shared_evenly_or_not_at_all(
    catalogs: dict[Origin, Catalog], nodes: int, why: str
) -> None:
    found = uneven(catalogs["upstream"].presets["llama-2-70b"], nodes=nodes)

    assert bool(found) == bool(why)
    assert why in found


@pytest.mark.parametrize("model", ["phi-4", "phi-3-mini-4k-instruct"])
def test_a_server_of_transformers_is_never_spread(
    catalogs: dict[Origin, Catalog], model: str
) -> None:
    assert not is_group(catalogs["kaito"].presets[model], None, nodes=4)


def test_on_nodes_of_a_type_that_nobody_knows_a_model_is_spread_over_all(
    catalogs: dict[Origin, Catalog],
) -> None:
    preset = catalogs["kaito"].presets["granite-4.1-8b"]
    made = rendered_inference(spread(), preset, registry="", ground=Ground(gpus=4))

    assert at(made, "kind") == "StatefulSet"
    assert {"--tensor-parallel-size=4", "--pipeline-parallel-size=2"} < set(
        container(made)["command"]
    )


def test_each_pod_has_a_name_before_it_is_ready(catalogs: dict[Origin, Catalog]) -> None:
    image = catalogs["kaito"].presets["granite-4.1-8b"].image
    made = rendered_headless(spread(), ports=meeting_ports(image))

    assert at(made, "metadata", "name") == "w-headless"
    assert at(made, "metadata", "labels") == {"kaito.sh/workspace": "w"}
    assert at(made, "metadata", "ownerReferences") == [OWNER]
    assert at(made, "spec", "clusterIP") == "None"
    assert at(made, "spec", "publishNotReadyAddresses") is True
    assert at(made, "spec", "selector") == {"kaito.sh/workspace": "w"}
    assert {one["name"]: one["port"] for one in at(made, "spec", "ports")} == {
        "torch": 29500,
        "group": 29501,
    }


def test_requests_go_to_the_leader_alone() -> None:
    made = rendered_service(spread(), target_port=5000, leader="w-0")

    assert at(made, "spec", "selector") == {
        "kaito.sh/workspace": "w",
        "statefulset.kubernetes.io/pod-name": "w-0",
    }


def test_all_pods_of_a_group_are_replaced_at_once(catalogs: dict[Origin, Catalog]) -> None:
    made = rendered(catalogs["kaito"], "granite-4.1-8b", A10)

    assert at(made, "spec", "updateStrategy") == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "100%"},
    }
