"""The workload controllers, the scheduler and the kubelets: pods that are there, and ready.

A machine has room for one pod, and takes one that wants the labels which it carries. A pod of
another template goes before its successor comes. Pods of a StatefulSet serve together: none is
ready before all are there. A pod that belongs to no workload only looks at something, and finds
nothing wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from kaito.kube.kinds import DEPLOYMENTS, PODS, STATEFULSETS
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource
from tests.virtual.api import Api
from tests.virtual.machines import is_ready, readiness
from tests.virtual.pins import demands
from tests.virtual.wire import Json

TEMPLATE = "template"
"""Annotation of a pod: what it was made from."""

Ask = Callable[[str, str, object], Json]


class Pods:
    """Sees to the pods of all Deployments and StatefulSets.

    Attributes:
        api: where they are.
        ask: sends a request.
        now: seconds of the server's clock.
    """

    def __init__(self, api: Api, ask: Ask, now: Callable[[], float]) -> None:
        self.api = api
        self.ask = ask
        self.now = now

    def turn(self) -> None:
        """Make, end and count pods."""
        for pod in self.api.items("pods"):
            if "nodeName" not in pod["spec"] and "status" not in pod:
                ref = Ref(pod["metadata"]["namespace"], pod["metadata"]["name"])
                path = PODS.path(ref, subresource="status")
                self.ask("PATCH", path, {"status": {"phase": "Succeeded"}})
        for resource in (DEPLOYMENTS, STATEFULSETS):
            for workload in self.api.items(resource.plural):
                self._see_to(workload, resource)

    def _see_to(self, workload: Json, resource: Resource[KubeObject]) -> None:
        """One workload's pods are there, of its template, and counted."""
        pods = [pod for pod in self.api.items("pods") if _is_of(workload, pod)]
        for pod in pods:
            if not _is_new(workload, pod):
                self.ask("DELETE", _path(pod["metadata"]["name"], workload), {})
        pods = [pod for pod in pods if _is_new(workload, pod)]
        pods += self._started(workload, {pod["metadata"]["name"] for pod in pods})
        is_whole = resource is DEPLOYMENTS or len(pods) == workload["spec"]["replicas"]
        for pod in pods:
            self._run(pod, ready=is_whole)
        self._tell(workload, resource, ready=len(pods) if is_whole else 0)

    def _started(self, workload: Json, there: set[str]) -> Sequence[Json]:
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
            and _is_wanted(node, workload["spec"]["template"]["spec"])
        ]
        wanted = [
            f"{workload['metadata']['name']}-{number}"
            for number in range(workload["spec"]["replicas"])
        ]
        missing = [name for name in wanted if name not in there and name not in names]
        return [
            self._start(workload, name, node) for name, node in zip(missing, free, strict=False)
        ]

    def _start(self, workload: Json, name: str, node: str) -> Json:
        template, metadata = workload["spec"]["template"], workload["metadata"]
        owner = {**_maker(workload), "uid": metadata["uid"], "controller": True}
        made = {
            **template["metadata"],
            "name": name,
            "namespace": metadata["namespace"],
            "annotations": {
                **template["metadata"].get("annotations", {}),
                TEMPLATE: _digest(workload),
            },
            "ownerReferences": [owner],
        }
        pod = {"metadata": made, "spec": {**template["spec"], "nodeName": node}}
        self.ask("POST", PODS.path(namespace=metadata["namespace"]), pod)
        return pod

    def _run(self, pod: Json, *, ready: bool) -> None:
        """A pod's status says that it runs, and whether it answers."""
        (found,) = pod.get("status", {}).get("conditions", [{}])
        if found.get("status") != str(ready):
            said = readiness(str(ready), self.now())
            path = _path(pod["metadata"]["name"], pod, subresource="status")
            self.ask("PATCH", path, {"status": {"phase": "Running", "conditions": [said]}})

    def _tell(self, workload: Json, resource: Resource[KubeObject], *, ready: int) -> None:
        metadata, replicas = workload["metadata"], workload["spec"]["replicas"]
        told = {
            "observedGeneration": metadata["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        if workload.get("status") != told:
            ref = Ref(metadata["namespace"], metadata["name"])
            self.ask("PATCH", resource.path(ref, subresource="status"), {"status": told})


def _path(name: str, workload: Json, *, subresource: str = "") -> str:
    return PODS.path(Ref(workload["metadata"]["namespace"], name), subresource=subresource)


def _maker(workload: Json) -> Json:
    """Who makes the pods of a workload, by name: for a Deployment its ReplicaSet does."""
    name = workload["metadata"]["name"]
    if workload["kind"] == "Deployment":
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-0"}
    return {"apiVersion": "apps/v1", "kind": workload["kind"], "name": name}


def _is_wanted(node: Json, pod: Json) -> bool:
    carried = node["metadata"]["labels"]
    return all(carried.get(key) in values for key, values in demands(pod))


def _is_of(workload: Json, pod: Json) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == workload["metadata"]["uid"] for owner in owners)


def _is_new(workload: Json, pod: Json) -> bool:
    found: str = pod["metadata"]["annotations"][TEMPLATE]
    return found == _digest(workload)


def _digest(workload: Json) -> str:
    text = json.dumps(workload["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
