"""Looks at a Workspace, from objects in wire form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from kaito.api.machine import Machine
from kaito.api.workspace import Workspace
from kaito.cli.scene import Scene
from kaito.kube.kinds import Deployment, Node, Pod, Service

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
Wire = Mapping[str, object]


def ago(seconds: float) -> str:
    """A time before now, as it is on the wire."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def metadata(name: str, *, seconds: float = 180, **more: object) -> Wire:
    """Metadata of an object of that age."""
    return {"name": name, "uid": f"uid-{name}", "creationTimestamp": ago(seconds), **more}


def condition(type: str, status: str, reason: str = "", message: str = "", **more: object) -> Wire:
    """A condition that has been so for two minutes."""
    since = {"lastTransitionTime": ago(120)}
    return {"type": type, "status": status, "reason": reason, "message": message, **since, **more}


def a_workspace(*conditions: Wire, observed: int = 1) -> Workspace:
    """A Workspace of generation 1."""
    return Workspace.model_validate(
        {
            "metadata": metadata("phi", namespace="default", generation=1),
            "resource": {
                "instanceType": "Standard_NC6s_v3",
                "labelSelector": {"matchLabels": {"apps": "phi"}},
            },
            "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
            "status": {"observedGeneration": observed, "conditions": conditions},
        }
    )


def a_machine(*conditions: Wire, node: str = "") -> Machine:
    """A claim for one machine."""
    types = {
        "key": "node.kubernetes.io/instance-type",
        "operator": "In",
        "values": ["Standard_NC6s_v3"],
    }
    return Machine.model_validate(
        {
            "metadata": metadata("ws1", seconds=170),
            "spec": {"requirements": [types]},
            "status": {"nodeName": node, "conditions": conditions},
        }
    )


def a_node(*, ready: str = "True", gpus: str = "1", message: str = "") -> Node:
    """A node of the claim's."""
    return Node.model_validate(
        {
            "metadata": metadata("aks-ws1", seconds=60),
            "status": {
                "conditions": [condition("Ready", ready, message=message)],
                "allocatable": {"nvidia.com/gpu": gpus} if gpus != "0" else {},
            },
        }
    )


def a_pod(*, node: str = "aks-ws1", phase: str = "Running", **container: object) -> Pod:
    """The Workspace's pod with one container."""
    status = {"name": "phi", "image": "phi:1", **container}
    return Pod.model_validate(
        {
            "metadata": metadata("phi-0", seconds=30, namespace="default"),
            "spec": {"nodeName": node},
            "status": {"phase": phase, "startTime": ago(30), "containerStatuses": [status]},
        }
    )


def a_deployment(*, ready: int) -> Deployment:
    """The Workspace's Deployment of one pod."""
    return Deployment.model_validate(
        {
            "metadata": metadata("phi", seconds=90, namespace="default"),
            "spec": {"replicas": 1},
            "status": {"readyReplicas": ready},
        }
    )


def a_service() -> Service:
    """The Workspace's Service."""
    ports = [{"name": "http", "port": 80}, {"name": "torch", "port": 29500}]
    return Service.model_validate(
        {
            "metadata": metadata("phi", seconds=90, namespace="default"),
            "spec": {"clusterIP": "10.0.0.7", "ports": ports},
        }
    )


READY = condition("Ready", "True", "WorkspaceReady", "the model answers")
LAUNCHED = condition("MachineLaunched", "True", "Launched")


def serving() -> Scene:
    """A Workspace that answers."""
    stages = ("MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready")
    return Scene(
        now=NOW,
        workspace=a_workspace(READY),
        claims=(a_machine(*(condition(each, "True") for each in stages), node="aks-ws1"),),
        nodes=(a_node(),),
        workloads=(a_deployment(ready=1),),
        pods=(a_pod(ready=True, state={"running": {"startedAt": ago(20)}}),),
        service=a_service(),
    )


def waiting(message: str = "Azure is at it") -> Scene:
    """A Workspace whose machine has launched and not joined."""
    held = condition("Ready", "False", "WaitingForMachines", "waits for machine ws1")
    claim = a_machine(LAUNCHED, condition("MachineRegistered", "False", "NodeNotFound", message))
    return Scene(now=NOW, workspace=a_workspace(held), claims=(claim,))
