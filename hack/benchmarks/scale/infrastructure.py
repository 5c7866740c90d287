"""What stands below the controllers, and answers at once.

`python -m hack.benchmarks.scale.infrastructure KUBECONFIG [--machines]`: each Deployment gets its
pod, Running and Ready, as soon as the node of its Workspace is there. With --machines each Machine
gets its node as well and is Ready; without, a cloud and a provisioner see to that. It says "ready"
on stdout when it watches, and ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hack.benchmarks.scale.script import IN_FLIGHT
from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists
from kaito.kube.kinds import DEPLOYMENTS, NODES, PODS
from kaito.kube.objects import Ref

LONG_SECONDS = 3600.0
STAGES = ("MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready")
RESOURCES = {"cpu": "24", "memory": "220Gi", "pods": "110", labels.GPU: "1"}

Json = Any
Answer = Callable[[Json], Coroutine[Any, Any, None]]


async def watched(client: Client, path: str, see: Callable[[Json], None]) -> None:
    """Show each object of a collection, as it is and whenever it changes, until cancelled.

    A watch that the server ends, for instance because we were slow, is followed by another, which
    begins with all that there is.
    """
    while True:
        lines = client.stream(
            path, params={"watch": "true"}, idle_seconds=LONG_SECONDS, total_seconds=LONG_SECONDS
        )
        async with lines as events:
            async for line in events:
                event = json.loads(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    see(event["object"])


def condition(type: str) -> Json:
    """A condition that is True."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": type, "status": "True", "reason": type, "lastTransitionTime": now}


class Infrastructure:
    """Answers what it sees, each object once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._nodes: dict[str, asyncio.Future[str]] = {}
        self._answered: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(IN_FLIGHT)

    def stop(self) -> None:
        """Answer nothing more."""
        for task in self._tasks:
            task.cancel()

    def once(self, answer: Answer) -> Callable[[Json], None]:
        """What has each generation of an object answered once."""

        def see(item: Json) -> None:
            metadata = item["metadata"]
            key = (metadata["uid"], metadata["generation"])
            if key not in self._answered:
                self._answered.add(key)
                task = asyncio.create_task(answer(item))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        return see

    def node(self, item: Json) -> None:
        """A node is there."""
        workspace = item["metadata"]["labels"].get(labels.WORKSPACE)
        if workspace and not self._node_of(workspace).done():
            self._node_of(workspace).set_result(item["metadata"]["name"])

    async def machine(self, claim: Json) -> None:
        """Give a Machine its node, and make it Ready."""
        name = claim["metadata"]["name"]
        node = f"node-{name}"
        of_type = next(
            each["values"][0]
            for each in claim["spec"]["requirements"]
            if each["key"] == labels.INSTANCE_TYPE
        )
        metadata = {
            "name": node,
            "labels": {**claim["metadata"]["labels"], labels.INSTANCE_TYPE: of_type},
        }
        status = {
            "capacity": RESOURCES,
            "allocatable": RESOURCES,
            "conditions": [condition("Ready")],
        }
        provider = f"bench:///{name}"
        manifest = {"metadata": metadata, "spec": {"providerID": provider}, "status": status}
        told = {
            "conditions": [condition(stage) for stage in STAGES],
            "nodeName": node,
            "providerID": provider,
            "capacity": RESOURCES,
            "allocatable": RESOURCES,
        }
        async with self._turns:
            await self._client.create(NODES, manifest)
            await self._client.merge_patch(
                MACHINES, Ref("", name), {"status": told}, subresource="status"
            )

    async def deployment(self, item: Json) -> None:
        """Run the pod of a Deployment, and have its status say so."""
        metadata = item["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        node = await self._node_of(metadata["labels"][labels.WORKSPACE])
        status = {
            "observedGeneration": metadata["generation"],
            **dict.fromkeys(
                ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1
            ),
        }
        ref = Ref(namespace, name)
        async with self._turns:
            await self._run(item, node)
            await self._client.merge_patch(
                DEPLOYMENTS, ref, {"status": status}, subresource="status"
            )

    async def _run(self, deployment: Json, node: str) -> None:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        namespace, replica_set = metadata["namespace"], f"{metadata['name']}-5d5c5b5b5"
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": replica_set,
            "uid": metadata["uid"],
            "controller": True,
        }
        ref = Ref(namespace, f"{replica_set}-x7k2m")
        pod = {
            "metadata": {
                "name": ref.name,
                "namespace": namespace,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            },
            "spec": {**template["spec"], "nodeName": node},
        }
        with suppress(AlreadyExists):
            await self._client.create(PODS, pod)
        stages = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        status = {"phase": "Running", "conditions": [condition(stage) for stage in stages]}
        await self._client.merge_patch(PODS, ref, {"status": status}, subresource="status")

    def _node_of(self, workspace: str) -> asyncio.Future[str]:
        if workspace not in self._nodes:
            self._nodes[workspace] = asyncio.get_running_loop().create_future()
        return self._nodes[workspace]


async def ended() -> None:
    """Wait for the end of stdin."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()


async def main() -> None:
    """Answer until stdin ends; a watch that fails ends it too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kubeconfig")
    parser.add_argument("--machines", action="store_true")
    asked = parser.parse_args()
    client = await Client.connect(
        user_agent="bench-infrastructure", field_manager="bench", kubeconfig=asked.kubeconfig
    )
    infrastructure = Infrastructure(client)
    watches = [
        watched(client, NODES.path(), infrastructure.node),
        watched(client, DEPLOYMENTS.path(), infrastructure.once(infrastructure.deployment)),
    ]
    if asked.machines:
        watches.append(
            watched(client, MACHINES.path(), infrastructure.once(infrastructure.machine))
        )
    tasks = [asyncio.create_task(each) for each in (*watches, ended())]
    print("ready", flush=True)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        infrastructure.stop()
        for task in tasks:
            task.cancel()
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
