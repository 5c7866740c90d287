"""A claim controller of another make, as a program: it serves NodeClaims of one class.

It writes what Karpenter-core documents and nothing else: its finalizer, `providerID`, `nodeName`,
`capacity`, `allocatable` and the conditions Launched, Registered, Initialized and Ready of a
NodeClaim; labels, taints, owner and finalizer of the Node. A claim that it has no capacity for it
deletes, and tells why by an Event alone. Its machines are in no cloud that anybody knows: each is
a node of this machine, with a kubelet of its own.
https://karpenter.sh/docs/concepts/nodeclaims/
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hack.cluster.kubelet.machine import Machine
from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.errors import KubeError, NotFound
from tests.behaviour.machines import GPUS, Machines, machining

NAME = "another"
FINALIZER = "karpenter.sh/termination"
EVENTS = "/api/v1/namespaces/default/events"
CLAIMS, NODES = "/apis/karpenter.sh/v1/nodeclaims", "/api/v1/nodes"
PODS = "/api/v1/pods"
STOCK = "/api/v1/namespaces/default/configmaps/stock"
MERGE = "application/merge-patch+json"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
SHORT = "InsufficientCapacityError"
LOOK_SECONDS = 0.2
UNREGISTERED = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
DISRUPTED = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}

Json = Any


@dataclass
class Karpenter:
    """Serves the claims of a class.

    Attributes:
        client: the API server.
        machines: what claims become.
        group: of the class.
        kind: of the class.
        scarce: instance types that it has no capacity for, until the ConfigMap `stock` names them.
    """

    client: Client
    machines: Machines
    group: str
    kind: str
    scarce: Collection[str] = ()

    async def run(self) -> None:
        """Look at all claims, again and again, until cancelled."""
        while True:
            for claim in (await self._get(CLAIMS))["items"]:
                with suppress(KubeError):  # somebody was there first: look again
                    await self._serve(claim)
            await asyncio.sleep(LOOK_SECONDS)

    async def _serve(self, claim: Json) -> None:
        """Bring a claim one step further, if it is ours."""
        reference, metadata = claim["spec"]["nodeClassRef"], claim["metadata"]
        if (reference["group"], reference["kind"]) != (self.group, self.kind):
            return
        finalizers = metadata.get("finalizers", [])
        if metadata.get("deletionTimestamp"):
            if FINALIZER in finalizers:
                await self._terminate(claim)
        elif FINALIZER not in finalizers:
            await self._patch(
                f"{CLAIMS}/{metadata['name']}", {"metadata": {"finalizers": [FINALIZER]}}
            )
        elif stage := self._stage(claim):
            await stage

    def _stage(self, claim: Json) -> Coroutine[Any, Any, None] | None:
        """What a claim needs next: the stages of Karpenter, one after the other."""
        true = {
            each["type"]
            for each in claim.get("status", {}).get("conditions", [])
            if each["status"] == "True"
        }
        if "Launched" not in true:
            return self._try(claim)
        if "Registered" not in true:
            return self._register(claim)
        if "Initialized" not in true:
            return self._initialize(claim)
        return None

    async def _try(self, claim: Json) -> None:
        """Launch a machine, where there is capacity."""
        type_ = _labels(claim)[INSTANCE_TYPE]
        is_there = type_ not in self.scarce or type_ in await self._stock()
        await (self._launch(claim) if is_there else self._refuse(claim))

    async def _stock(self) -> Collection[str]:
        """Types that there is capacity for after all."""
        try:
            return tuple((await self._get(STOCK))["data"])
        except NotFound:
            return ()

    async def _launch(self, claim: Json) -> None:
        machine = await self.machines.launch(claim["metadata"]["name"])
        await self._create(
            NODES,
            {
                "metadata": {"name": machine.name, "labels": _found_labels(machine)},
                "spec": {"providerID": _provider_id(machine), "taints": [UNREGISTERED]},
            },
        )
        await self._tell(
            claim,
            "Launched",
            providerID=_provider_id(machine),
            imageID="another/image",
            capacity=machine.capacity,
            allocatable=machine.capacity,
        )

    async def _refuse(self, claim: Json) -> None:
        """There is no capacity: say so by an Event, and delete the claim, as Karpenter does."""
        name, uid = claim["metadata"]["name"], claim["metadata"]["uid"]
        path, now = f"{CLAIMS}/{name}", _now()
        waits = _condition(claim, "Launched", "Unknown", "AwaitingReconciliation", now=now)
        await self._patch(f"{path}/status", {"status": {"conditions": [waits]}})
        about = {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "name": name, "uid": uid}
        event = {
            "metadata": {"generateName": f"{name}."},
            "involvedObject": about,
            "type": "Warning",
            "reason": SHORT,
            "message": f"NodeClaim {name} event: all requested instance types were unavailable",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": NAME},
        }
        await self._create(EVENTS, event)
        await self.client.request("DELETE", path, body={"preconditions": {"uid": uid}})

    async def _register(self, claim: Json) -> None:
        """The node has joined: it is given what the claim says."""
        machine = self.machines.find(claim["metadata"]["name"])
        owner = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "name": claim["metadata"]["name"],
            "uid": claim["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        path = f"{NODES}/{machine.name}"
        taints = (await self._get(path))["spec"].get("taints", [])
        kept = [each for each in taints if each["key"] != UNREGISTERED["key"]]
        metadata = {
            "labels": {**_labels(claim), "karpenter.sh/registered": "true"},
            "finalizers": [FINALIZER],
            "ownerReferences": [owner],
        }
        spec = {"taints": [*kept, *claim["spec"].get("taints", [])]}
        await self._patch(path, {"metadata": metadata, "spec": spec})
        await self._tell(claim, "Registered", nodeName=machine.name)

    async def _initialize(self, claim: Json) -> None:
        """The node is Ready and shows its GPUs: so is the claim."""
        path = f"{NODES}/{claim['status']['nodeName']}"
        status = (await self._get(path)).get("status", {})
        is_ready = any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in status.get("conditions", [])
        )
        if not is_ready or GPUS not in status.get("allocatable", {}):
            return
        await self._patch(path, {"metadata": {"labels": {"karpenter.sh/initialized": "true"}}})
        await self._tell(claim, "Initialized", "Ready")

    async def _terminate(self, claim: Json) -> None:
        """Drain the node, end its machine, let the node go, then the claim."""
        name = claim["metadata"]["name"]
        node = claim.get("status", {}).get("nodeName", "")
        if node:
            await self._patch(f"{NODES}/{node}", {"spec": {"taints": [DISRUPTED]}})
            if (await self._get(PODS, fieldSelector=f"spec.nodeName={node}"))["items"]:
                return
        await self.machines.end(name)
        with suppress(NotFound):
            if node:
                await self.client.request("DELETE", f"{NODES}/{node}")
                await self._patch(f"{NODES}/{node}", {"metadata": {"finalizers": None}})
        await self._patch(f"{CLAIMS}/{name}", {"metadata": {"finalizers": None}})

    async def _tell(self, claim: Json, *types: str, **fields: object) -> None:
        """Say that a claim has come so far."""
        now = _now()
        before = claim.get("status", {}).get("conditions", [])
        fresh = [_condition(claim, type, "True", type, now=now) for type in types]
        status = {**fields, "conditions": [*before, *fresh]}
        await self._patch(f"{CLAIMS}/{claim['metadata']['name']}/status", {"status": status})

    async def _get(self, path: str, **params: str) -> Json:
        return await self.client.request("GET", path, params=params)

    async def _create(self, path: str, body: Mapping[str, object]) -> None:
        await self.client.request("POST", path, body=body)

    async def _patch(self, path: str, body: Mapping[str, object]) -> None:
        await self.client.request("PATCH", path, body=body, content_type=MERGE)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(claim: Json, type: str, status: str, reason: str, *, now: str) -> Json:
    """A condition of a claim, as it stands now."""
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": now,
        "observedGeneration": claim["metadata"]["generation"],
    }


def _labels(claim: Json) -> Mapping[str, str]:
    """Labels that a claim gives to its node: its own, and requirements of one value."""
    single = {
        each["key"]: each["values"][0]
        for each in claim["spec"]["requirements"]
        if each["operator"] == "In" and len(each["values"]) == 1
    }
    return {**single, **claim["metadata"]["labels"]}


def _found_labels(machine: Machine) -> Mapping[str, str]:
    """Labels that a kubelet finds out by itself."""
    return {"kubernetes.io/hostname": machine.name, "kubernetes.io/os": "linux"}


def _provider_id(machine: Machine) -> str:
    return f"{NAME}:///machines/{machine.name}"


async def run(layout: Layout, group: str, kind: str, scarce: Collection[str]) -> None:
    """Serve until SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    client = await Client.connect(
        user_agent=NAME, field_manager=NAME, kubeconfig=str(layout.admin_kubeconfig)
    )
    try:
        async with machining(layout, client) as machines:
            await Karpenter(client, machines, group, kind, scarce).run()
    finally:
        await client.close()


def main() -> None:
    """Serve the class of this program's arguments in the cluster of a home."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--scarce", action="append", default=[])
    asked = parser.parse_args()
    with suppress(asyncio.CancelledError):
        asyncio.run(run(Layout.load(asked.home), asked.group, asked.kind, asked.scarce))


if __name__ == "__main__":
    main()
