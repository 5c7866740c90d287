"""All pods of our nodes: a worker for each, from the moment both pod and node are there."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass

import structlog

from hack.cluster.kubelet.addresses import PodAddresses
from hack.cluster.kubelet.fields import Place
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.machine import Machine
from hack.cluster.kubelet.pod import Pod
from hack.cluster.kubelet.podworker import PodWorker
from kaito.kube.informer import Informer
from kaito.kube.objects import Ref

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Running:
    """A worker and the task that it runs in."""

    worker: PodWorker
    task: asyncio.Task[None]


class Pods:
    """Starts and ends pod workers as pods and machines come and go."""

    def __init__(self, host: Host, informer: Informer[Pod]) -> None:
        self._host = host
        self._informer = informer
        self._addresses = PodAddresses(host.layout)
        self._machines: dict[str, Machine] = {}
        self._running: dict[str, _Running] = {}
        informer.on_change(self._changed)
        host.names.on_change(self._renamed)

    def find(self, ref: Ref) -> PodWorker | None:
        """The worker of the pod of that name."""
        pod = self._informer.store.get(ref)
        running = self._running.get(pod.metadata.uid) if pod else None
        return running.worker if running else None

    def machine_started(self, machine: Machine) -> None:
        """Pods of that machine may run."""
        self._machines[machine.name] = machine
        for pod in self._informer.store.list():
            self._changed(None, pod)

    def machine_gone(self, machine: Machine) -> None:
        """Kill what runs on that machine; its pods' objects are the control plane's matter."""
        self._machines.pop(machine.name, None)
        for uid, running in list(self._running.items()):
            if running.worker.pod.spec.node_name == machine.name:
                self._forget(uid)

    def sweep(self) -> None:
        """Delete the folders of pods that are gone, left by an earlier process kubelet."""
        folder = self._host.layout.run / "pods"
        known = {pod.metadata.uid for pod in self._informer.store.list()}
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    async def stop(self) -> None:
        """End all containers, at once those that do not end by themselves within seconds."""
        self._machines.clear()
        deadline = time.monotonic() + self._host.pace.shutdown_seconds
        workers = [one.worker for one in self._running.values()]
        await asyncio.gather(
            *(one.shut_down(lambda: deadline - time.monotonic()) for one in workers)
        )
        tasks = [one.task for one in self._running.values()]
        for uid in list(self._running):
            self._forget(uid, gone=False)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            if old is not None:
                self._forget(old.metadata.uid)
        elif running := self._running.get(new.metadata.uid):
            running.worker.update(new)
        elif new.spec.node_name in self._machines:
            self._start(new)

    def _renamed(self) -> None:
        for running in self._running.values():
            running.worker.write_names()

    def _start(self, pod: Pod) -> None:
        machine = self._machines[pod.spec.node_name]
        uid = pod.metadata.uid
        host_ip = self._host.layout.node_address(machine.number)
        on_host = pod.spec.host_network
        place = Place(
            node_name=machine.name,
            host_ip=host_ip,
            pod_ip=host_ip if on_host else self._addresses.take(uid, pod.status.pod_ip),
            allocatable=machine.capacity,
        )
        worker = PodWorker(self._host, pod, place)
        task = asyncio.create_task(worker.run())
        task.add_done_callback(lambda done: _report_crash(pod, done))
        self._running[uid] = _Running(worker, task)
        log.info("pod.accepted", pod=str(pod.ref), node=machine.name, address=place.pod_ip)

    def _forget(self, uid: str, *, gone: bool = True) -> None:
        """End the worker; `gone` says that the pod will not come back to this machine."""
        running = self._running.pop(uid, None)
        if running is None:
            return
        running.task.cancel()
        if gone:
            running.task.add_done_callback(lambda _: running.worker.remove())
            self._addresses.give_back(uid)
            log.info("pod.removed", pod=str(running.worker.pod.ref))


def _report_crash(pod: Pod, task: asyncio.Task[None]) -> None:
    """A worker that ended by an error of this program: nobody else would hear of it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("pod.crashed", pod=str(pod.ref), exc_info=error)
