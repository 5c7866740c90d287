"""What stands below the operator where nothing takes time: nodes and pods are there once seen.

It stands in for the cloud, the scheduler, the kubelet, and the controllers of workloads: it makes
the nodes that Machines ask for, and the pods of Deployments and StatefulSets, Running and Ready on
nodes of their own Workspace. A pod that looks at registries has found nothing wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists, NotFound

Json = Any

MACHINES = "/apis/karpenter.sh/v1alpha5/machines"
NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
WORKLOADS = "/apis/apps/v1/deployments", "/apis/apps/v1/statefulsets"
TYPE = "node.kubernetes.io/instance-type"
LOOK_SECONDS = 0.1
_STAGES = ("MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready")
_RUNNING = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
_PATCH = "application/merge-patch+json"


class Instant:
    """Answers what is there, again and again."""

    def __init__(self, client: Client, gpus: Mapping[str, int]) -> None:
        """Take the number of GPUs of each type of nodes."""
        self._client = client
        self._gpus = gpus
        self._answered: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            for machine in await self._new(MACHINES):
                await self._machine(machine)
            for path in WORKLOADS:
                for workload in await self._new(path):
                    await self._workload(workload)
            for pod in await self._new(PODS):
                if "kaito.sh/preflight" in pod["metadata"].get("labels", {}):
                    await self._end(pod)
            await asyncio.sleep(LOOK_SECONDS)

    async def node(self, name: str, of_type: str, labels: Mapping[str, str]) -> None:
        """A node that is Ready, with the GPUs of its type."""
        resources = {"cpu": "24", "memory": "220Gi", "pods": "110"}
        resources["nvidia.com/gpu"] = str(self._gpus[of_type])
        status = {"capacity": resources, "allocatable": resources, "conditions": _are("Ready")}
        metadata = {"name": name, "labels": {**labels, TYPE: of_type}}
        body = {"metadata": metadata, "spec": {"providerID": f"instant:///{name}"}}
        await self._client.request("POST", NODES, body={**body, "status": status})

    async def _machine(self, machine: Json) -> None:
        name = machine["metadata"]["name"]
        (of_type,) = (
            each["values"][0] for each in machine["spec"]["requirements"] if each["key"] == TYPE
        )
        await self.node(f"node-{name}", of_type, machine["metadata"]["labels"])
        status = {
            "conditions": _are(*_STAGES),
            "nodeName": f"node-{name}",
            "providerID": f"instant:///node-{name}",
        }
        await self._status(f"{MACHINES}/{name}", status)

    async def _workload(self, workload: Json) -> None:
        metadata, spec = workload["metadata"], workload["spec"]
        namespace, name = metadata["namespace"], metadata["name"]
        is_set = "serviceName" in spec
        template, owner = spec["template"], _owner(metadata, is_set=is_set)
        nodes = await self._nodes(metadata["ownerReferences"][0]["uid"], spec["replicas"])
        if len(nodes) < spec["replicas"]:
            self._answered.discard(_key(workload))
            return
        for number, node in enumerate(nodes):
            pod = {
                "metadata": {
                    "name": f"{name}-{number}",
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [owner],
                },
                "spec": {**template["spec"], "nodeName": node},
            }
            path = f"/api/v1/namespaces/{namespace}/pods"
            with suppress(AlreadyExists):
                await self._client.request("POST", path, body=pod)
            running = {"phase": "Running", "conditions": _are(*_RUNNING)}
            await self._status(f"{path}/{name}-{number}", running)
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {"observedGeneration": metadata["generation"], **dict.fromkeys(counts, len(nodes))}
        kind = "statefulsets" if is_set else "deployments"
        await self._status(f"/apis/apps/v1/namespaces/{namespace}/{kind}/{name}", status)

    async def _nodes(self, uid: str, count: int) -> list[str]:
        """Names of nodes that are a Workspace's own, by the label that its pods select."""
        found: Json = await self._client.request("GET", NODES)
        own = [
            each["metadata"]["name"]
            for each in found["items"]
            if each["metadata"]["labels"].get("kaito.sh/workspace-uid") == uid
        ]
        return own[:count]

    async def _end(self, pod: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        with suppress(NotFound):
            await self._status(path, {"phase": "Succeeded"})

    async def _new(self, path: str) -> list[Json]:
        """Objects that were not answered as they are now."""
        found: Json = await self._client.request("GET", path)
        keys = {_key(each): each for each in found["items"]}
        new = [each for key, each in keys.items() if key not in self._answered]
        self._answered |= keys.keys()
        return new

    async def _status(self, path: str, status: Json) -> None:
        await self._client.request(
            "PATCH", f"{path}/status", body={"status": status}, content_type=_PATCH
        )


@asynccontextmanager
async def instant(client: Client, gpus: Mapping[str, int]) -> AsyncIterator[Instant]:
    """Such a thing at work, until the block is left."""
    found = Instant(client, gpus)
    task = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _key(item: Json) -> tuple[str, int]:
    return item["metadata"]["uid"], item["metadata"].get("generation", 1)


def _are(*types: str) -> list[Json]:
    """Conditions that are True."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {"type": one, "status": "True", "reason": one, "lastTransitionTime": now} for one in types
    ]


def _owner(metadata: Json, *, is_set: bool) -> Json:
    """What owns a pod; nobody here makes ReplicaSets, so that one only bears the name."""
    kind = "StatefulSet" if is_set else "ReplicaSet"
    name = metadata["name"] if is_set else f"{metadata['name']}-5d5c5b5b5"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": metadata["uid"],
        "controller": True,
    }
