"""Machines of no known cloud: nodes with a process kubelet of their own, beside the cluster's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from hack.cluster.kubelet.__main__ import PodEvents
from hack.cluster.kubelet.api import KubeletApi
from hack.cluster.kubelet.host import Host, Pace
from hack.cluster.kubelet.images import Images
from hack.cluster.kubelet.instances import SUCCEEDED, Instance
from hack.cluster.kubelet.machine import Machine
from hack.cluster.kubelet.names import Names
from hack.cluster.kubelet.node import NodeAgent
from hack.cluster.kubelet.objects import Objects
from hack.cluster.kubelet.pod import PODS
from hack.cluster.kubelet.pods import Pods
from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.events import Recorder
from kaito.kube.informer import Informer
from kaito.kube.reflector import Selection

GPUS = "nvidia.com/gpu"
FIRST_NUMBER = 5000
"""Of the machines and of the pods' addresses: far from those of the cluster's own kubelet."""


class Machines:
    """Machines by name; each keeps a Node alive that somebody else has made."""

    def __init__(self, host: Host, pods: Pods, api: KubeletApi) -> None:
        self._host = host
        self._pods = pods
        self._api = api
        self._booted: dict[str, tuple[Machine, asyncio.Task[None]]] = {}

    def find(self, name: str) -> Machine:
        """The machine of that name."""
        return self._booted[name][0]

    async def launch(self, name: str) -> Machine:
        """Boot a machine with one GPU, unless it runs; its Node is not made here."""
        if name in self._booted:
            return self.find(name)
        instance = Instance(
            pool=name,
            state="",
            vm_size="Standard_NC6s_v3",
            ordinals=(FIRST_NUMBER + len(self._booted),),
            scale_set=f"another-{name}-",
            node_resource_group="another",
            gpus=1,
            vcpus=6,
            memoryGiB=112,
        )
        assert instance.state != SUCCEEDED, "a settled machine makes a Node of its own"
        machine = Machine(instance, 0, instance.ordinals[0])
        await self._api.listen(machine)
        agent = NodeAgent(self._host, machine, version="v1.36.0")
        self._booted[name] = machine, asyncio.create_task(agent.run())
        self._pods.machine_started(machine)
        return machine

    async def end(self, name: str) -> None:
        """End a machine, if it runs."""
        if name in self._booted:
            machine, task = self._booted.pop(name)
            task.cancel()
            self._pods.machine_gone(machine)
            await self._api.leave(machine)

    def stop(self) -> None:
        """Beat no more."""
        for _, task in self._booted.values():
            task.cancel()


@asynccontextmanager
async def machining(layout: Layout, client: Client) -> AsyncIterator[Machines]:
    """A kubelet for machines, until the context is left."""
    recorder = Recorder(client, controller="kubelet", instance="another")
    informer = Informer(client, PODS, selection=Selection(fields="spec.nodeName!="))
    async with aiohttp.ClientSession(trust_env=False) as http:
        events = PodEvents(recorder)
        names, pace = Names(layout, client), Pace(lease_seconds=1)
        host = Host(layout, client, Objects(client), Images(), names, http, events, pace)
        pods = Pods(host, informer)
        pods._addresses._last = FIRST_NUMBER
        api = KubeletApi(layout, pods.find)
        machines = Machines(host, pods, api)
        await api.start()
        tasks = [asyncio.create_task(informer.run()), asyncio.create_task(recorder.run())]
        try:
            await informer.synced.wait()
            yield machines
        finally:
            machines.stop()
            for task in tasks:
                task.cancel()
            await pods.stop()
            await api.stop()
