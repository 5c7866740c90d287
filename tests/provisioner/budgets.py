"""Pods that somebody guards: the real built-in controllers, and a kubelet's part played by us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from hack.cluster import controlplane
from hack.cluster.process import Process
from tests.bystander import Json, until
from tests.provisioner.stack import Stack

PODS = "/api/v1/namespaces/default/pods"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
CONTROLLERS = "disruption-controller,replicaset-controller,serviceaccount-controller"


@asynccontextmanager
async def built_in(stack: Stack) -> AsyncIterator[None]:
    """Have the real controllers of replicas and of budgets run, as long as the block does."""
    layout = stack.layout
    program = controlplane.controller_manager(layout)
    # The provisioner answers at the port that it would have.
    flags = (f"--controllers={CONTROLLERS}", "--secure-port=0")
    program = replace(program, command=(*program.command, *flags))
    process = await Process.start(program, folder=layout.home, logs=layout.logs)
    try:
        yield
    finally:
        await process.stop()


@dataclass(frozen=True)
class Guarded:
    """One pod of a ReplicaSet on a node, and the budget that guards it.

    Attributes:
        stack: where.
        name: of the ReplicaSet, of its budget, and the pods' label.
    """

    stack: Stack
    name: str

    async def run(self, node: str, **budget: object) -> None:
        """Make all of it, and wait until the budget knows of the pod."""
        labels = {"app": self.name}
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [{"name": "web", "image": "web"}],
            },
        }
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        await self._post(REPLICA_SETS, {"metadata": {"name": self.name}, "spec": spec})
        guard = {"selector": {"matchLabels": labels}, **budget}
        await self._post(BUDGETS, {"metadata": {"name": self.name}, "spec": guard})
        pod = await until("the pod", self._first)
        await self._boot(pod["metadata"]["name"], node)
        await until("the budget", self._is_guarded)

    async def pods_on(self, node: str) -> list[str]:
        """Names of the pods on a node."""
        found = await self.stack.see.items(PODS, f"app={self.name}")
        return [each["metadata"]["name"] for each in found if each["spec"].get("nodeName") == node]

    async def allow(self) -> None:
        """Have the budget allow one eviction."""
        patch = '{"spec":{"maxUnavailable":1,"minAvailable":null}}'
        await self._kubectl("patch", "pdb", self.name, "--type=merge", f"--patch={patch}")

    async def end(self) -> bool:
        """End the pods that are to go, as the kubelet does; whether there was one."""
        found = await self.stack.see.items(PODS, f"app={self.name}")
        going = [each["metadata"] for each in found if "deletionTimestamp" in each["metadata"]]
        for pod in going:
            await self._kubectl("delete", "pod", pod["name"], "--force", "--grace-period=0")
        return bool(going)

    async def remove(self) -> None:
        """Delete all of it, as its owner and the kubelet would."""
        await self._kubectl("delete", "pdb,replicaset", self.name)
        await self._kubectl("delete", "pods", f"--selector=app={self.name}", "--force")

    async def _first(self) -> Json:
        return next(iter(await self.stack.see.items(PODS, f"app={self.name}")), None)

    async def _boot(self, pod: str, node: str) -> None:
        """Do what the scheduler and the kubelet do."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._post(f"{PODS}/{pod}/binding", binding)
        ready = {"type": "Ready", "status": "True"}
        body = {"status": {"phase": "Running", "conditions": [ready]}}
        await self.stack.client.request(
            "PATCH",
            f"{PODS}/{pod}/status",
            body=body,
            content_type="application/strategic-merge-patch+json",
        )

    async def _is_guarded(self) -> bool:
        budget = await self.stack.see.get(f"{BUDGETS}/{self.name}")
        status: Mapping[str, Any] = budget.get("status", {})
        return bool(status.get("currentHealthy") == 1 and status["disruptionsAllowed"] == 0)

    async def _post(self, path: str, body: object) -> None:
        await self.stack.client.request("POST", path, body=body)

    async def _kubectl(self, *words: str) -> None:
        done = await self.stack.see.kubectl(*words)
        assert done.code == 0, done.errors
