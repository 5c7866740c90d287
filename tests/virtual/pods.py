"""The controller of Deployments, the scheduler and the kubelets: pods that are there, and ready.

A machine has room for one pod. A pod of another template goes before its successor comes. A pod
that belongs to no Deployment only looks at something, and finds nothing wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from kaito.kube.kinds import DEPLOYMENTS, PODS
from kaito.kube.objects import Ref
from tests.virtual.api import Api
from tests.virtual.machines import is_ready
from tests.virtual.wire import Json

TEMPLATE = "template"
"""Annotation of a pod: what it was made from."""

Ask = Callable[[str, str, object], Json]


class Pods:
    """Sees to the pods of all Deployments.

    Attributes:
        api: where they are.
        ask: sends a request.
    """

    def __init__(self, api: Api, ask: Ask) -> None:
        self.api = api
        self.ask = ask

    def turn(self) -> None:
        """Make, end and count pods."""
        for pod in self.api.items("pods"):
            if "nodeName" not in pod["spec"] and "status" not in pod:
                ref = Ref(pod["metadata"]["namespace"], pod["metadata"]["name"])
                path = PODS.path(ref, subresource="status")
                self.ask("PATCH", path, {"status": {"phase": "Succeeded"}})
        for deployment in self.api.items("deployments"):
            pods = [pod for pod in self.api.items("pods") if _is_of(deployment, pod)]
            for pod in pods:
                if not _is_new(deployment, pod):
                    self.ask("DELETE", _path(pod["metadata"]["name"], deployment), {})
            pods = [pod for pod in pods if _is_new(deployment, pod)]
            pods += self._started(deployment, {pod["metadata"]["name"] for pod in pods})
            self._tell(deployment, len(pods))

    def _started(self, deployment: Json, there: set[str]) -> Sequence[Json]:
        """The pods that were missing, on machines that have room."""
        everybody = self.api.items("pods")
        names = {pod["metadata"]["name"] for pod in everybody}
        busy = {pod["spec"].get("nodeName") for pod in everybody}
        free = [
            node["metadata"]["name"]
            for node in self.api.items("nodes")
            if is_ready(node)
            and not node["spec"].get("unschedulable")
            and node["metadata"]["name"] not in busy
        ]
        wanted = [
            f"{deployment['metadata']['name']}-{number}"
            for number in range(deployment["spec"]["replicas"])
        ]
        missing = [name for name in wanted if name not in there and name not in names]
        return [
            self._start(deployment, name, node) for name, node in zip(missing, free, strict=False)
        ]

    def _start(self, deployment: Json, name: str, node: str) -> Json:
        template, metadata = deployment["spec"]["template"], deployment["metadata"]
        owner = {
            "apiVersion": deployment["apiVersion"],
            "kind": deployment["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
        made = {
            **template["metadata"],
            "name": name,
            "namespace": metadata["namespace"],
            "annotations": {
                **template["metadata"].get("annotations", {}),
                TEMPLATE: _digest(deployment),
            },
            "ownerReferences": [owner],
        }
        pod = {"metadata": made, "spec": {**template["spec"], "nodeName": node}}
        self.ask("POST", PODS.path(namespace=metadata["namespace"]), pod)
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.ask("PATCH", _path(name, deployment, subresource="status"), {"status": status})
        return pod

    def _tell(self, deployment: Json, ready: int) -> None:
        metadata, replicas = deployment["metadata"], deployment["spec"]["replicas"]
        told = {
            "observedGeneration": metadata["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        if deployment.get("status") != told:
            ref = Ref(metadata["namespace"], metadata["name"])
            self.ask("PATCH", DEPLOYMENTS.path(ref, subresource="status"), {"status": told})


def _path(name: str, deployment: Json, *, subresource: str = "") -> str:
    return PODS.path(Ref(deployment["metadata"]["namespace"], name), subresource=subresource)


def _is_of(deployment: Json, pod: Json) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == deployment["metadata"]["uid"] for owner in owners)


def _is_new(deployment: Json, pod: Json) -> bool:
    found: str = pod["metadata"]["annotations"][TEMPLATE]
    return found == _digest(deployment)


def _digest(deployment: Json) -> str:
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
