"""All machines of the cluster: their Nodes, their kubelet APIs, and the end of both.

The Node of a machine that is gone is deleted here, as the cloud-controller-manager of a real
AKS cluster does; there is none in this one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog

from hack.cluster.kubelet.api import KubeletApi
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.instances import follow
from hack.cluster.kubelet.machine import CLUSTER_LABEL, Machine, machines
from hack.cluster.kubelet.node import NodeAgent
from hack.cluster.kubelet.pods import Pods
from kaito.kube.errors import KubeError
from kaito.kube.kinds import NODES

log = structlog.get_logger()

RETRY_SECONDS = 1.0


@dataclass(slots=True)
class _Booted:
    """A machine that runs."""

    agent: NodeAgent
    task: asyncio.Task[None]


class Nodes:
    """Boots and ends machines as the cloud has them."""

    def __init__(self, host: Host, pods: Pods, api: KubeletApi, *, version: str) -> None:
        self._host = host
        self._pods = pods
        self._api = api
        self._version = version
        self._booted: dict[tuple[str, int], _Booted] = {}

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Follow the cloud until cancelled."""
        try:
            async for answer in follow(self._host.layout, http):
                await self._match(machines(answer.instances))
        finally:
            for booted in self._booted.values():
                booted.task.cancel()

    async def _match(self, wanted: tuple[Machine, ...]) -> None:
        by_identity = {machine.identity: machine for machine in wanted}
        for identity in [one for one in self._booted if one not in by_identity]:
            await self._end(self._booted.pop(identity))
        for identity, machine in by_identity.items():
            if booted := self._booted.get(identity):
                booted.agent.machine = machine
            else:
                await self._boot(machine)
        await self._delete_nodes({machine.name for machine in wanted})

    async def _boot(self, machine: Machine) -> None:
        await self._api.listen(machine)
        agent = NodeAgent(self._host, machine, version=self._version)
        self._booted[machine.identity] = _Booted(agent, asyncio.create_task(agent.run()))
        self._pods.machine_started(machine)
        log.info("machine.booted", node=machine.name)

    async def _end(self, booted: _Booted) -> None:
        machine = booted.agent.machine
        booted.task.cancel()
        self._pods.machine_gone(machine)
        await self._api.leave(machine)
        log.info("machine.ended", node=machine.name)

    async def _delete_nodes(self, wanted: set[str]) -> None:
        """Delete the Nodes of this cloud that have no machine."""
        try:
            nodes = await self._host.client.list(NODES, labels=CLUSTER_LABEL)
            for node in nodes:
                if node.metadata.name not in wanted:
                    await self._host.client.delete(NODES, node.ref, uid=node.metadata.uid)
                    log.info("node.removed", node=node.metadata.name)
        except KubeError as error:
            log.warning("nodes.delayed", error=str(error))
