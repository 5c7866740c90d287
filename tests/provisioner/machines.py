"""The machines of the cloud, which join the cluster as nodes; there is no kubelet behind them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.kubelet.instances import Answer
from hack.cluster.kubelet.machine import Machine, conditions, machines, node_manifest
from hack.cluster.layout import Layout
from kaito.api.labels import GPU
from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists
from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref

LOOK_SECONDS = 0.05
VERSION = "v1.36.0"


@dataclass
class Machines:
    """Boots a node for each machine of the cloud, at once.

    Attributes:
        silent: expression for pools whose machines never join.
        blind: expression for pools whose machines show no GPU.
        joined: names of the nodes that have joined, by number of their machine.
    """

    door: FrontDoor
    client: Client
    layout: Layout
    silent: str = ""
    blind: str = ""
    joined: dict[int, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Boot whatever is new, until cancelled."""
        revision = -1
        while True:
            if self.door.revision() != revision:
                revision = self.door.revision()
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Boot whatever is new, all at once: no machine waits for another."""
        found = Answer.model_validate(self.door.instances())
        async with asyncio.TaskGroup() as tasks:
            for machine in machines(found.instances):
                pool = machine.instance.pool
                if machine.number not in self.joined and not re.fullmatch(self.silent, pool):
                    tasks.create_task(self._join(machine))

    async def _join(self, machine: Machine) -> None:
        self.joined[machine.number] = machine.name
        wire: dict[str, Any] = {
            **node_manifest(machine, self.layout, version=VERSION, now=datetime.now(UTC))
        }
        status = {**wire["status"], "conditions": conditions((), datetime.now(UTC), ready=True)}
        if re.fullmatch(self.blind, machine.instance.pool):
            for resources in ("capacity", "allocatable"):
                status[resources] = {k: v for k, v in status[resources].items() if k != GPU}
        try:
            await self.client.create(NODES, {**wire, "status": status})
        except AlreadyExists:
            # Its namesake is a machine that is gone, and whose Node has yet to follow it.
            del self.joined[machine.number]
            return
        # The API server taints each new node; a controller that is not here takes that off.
        await self.client.merge_patch(NODES, Ref("", machine.name), {"spec": wire["spec"]})
