"""One pod on one of our nodes, from its binding to the end of its object."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from hack.cluster.kubelet import reasons
from hack.cluster.kubelet.fields import Place, Unresolvable
from hack.cluster.kubelet.history import first_view, is_over
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.pod import PODS, Container, Pod
from hack.cluster.kubelet.sandbox import PodSandbox
from hack.cluster.kubelet.status import Seen, pod_status
from hack.cluster.kubelet.worker import ContainerWorker
from kaito.kube.conditions import condition
from kaito.kube.errors import KubeError, NotFound

log = structlog.get_logger()

STATUS_RETRY_SECONDS = 1.0
STRATEGIC = "application/strategic-merge-patch+json"


class PodWorker:
    """Runs a pod's containers, reports its status, and ends it when its object is deleted."""

    def __init__(self, host: Host, pod: Pod, place: Place) -> None:
        self._host = host
        self._dirty = asyncio.Event()
        self._deletion = asyncio.Event()
        self._sandbox = PodSandbox(host, pod, place, self._dirty.set)
        self._started_at = pod.status.start_time or datetime.now(UTC)
        self._is_ending = False
        self._eviction = ""
        self._has_sandbox = bool(pod.status.pod_ip)
        self._sent: dict[str, object] = {}
        self._init = [self._worker(one, initial=True) for one in pod.spec.init_containers]
        self._main = [self._worker(one, initial=False) for one in pod.spec.containers]
        self._reporting: asyncio.Task[None] | None = None
        self.update(pod)

    @property
    def pod(self) -> Pod:
        """The newest version that is known."""
        return self._sandbox.pod

    def update(self, pod: Pod) -> None:
        """The pod's object has changed."""
        self._sandbox.pod = pod
        self._dirty.set()
        if pod.is_deleting:
            self._deletion.set()

    def container(self, name: str) -> ContainerWorker | None:
        """The container of that name."""
        everything = (*self._init, *self._main)
        return next((one for one in everything if one.container.name == name), None)

    def log(self, container: str, run: int) -> Path:
        """Log file of one run of a container."""
        return self._sandbox.log(container, run)

    def write_names(self) -> None:
        """Others may be called otherwise now."""
        self._sandbox.write_names()

    async def run(self) -> None:
        """Everything, until the object may go; when cancelled, nothing of the pod is left."""
        try:
            async with asyncio.TaskGroup() as group:
                self._reporting = group.create_task(self._report_changes())
                if not self.pod.is_finished:
                    await self._live()
                await self._deletion.wait()
                await self._end()
                self._reporting.cancel()
        finally:
            await asyncio.gather(*(one.kill() for one in (*self._init, *self._main)))

    def remove(self) -> None:
        """Delete what the pod has left on this machine; its logs stay with the cluster's."""
        self._sandbox.remove()

    async def shut_down(self, remaining: Callable[[], float]) -> None:
        """End the containers because this process ends: nothing is reported of it.

        Whoever plays the node next finds them killed, and starts them again.
        """
        if self._reporting is not None:
            self._reporting.cancel()
        await asyncio.gather(*(one.stop(remaining) for one in (*self._init, *self._main)))

    # Life

    async def _live(self) -> None:
        """Run all containers until they have ended for good or the pod is to be deleted."""
        running = asyncio.create_task(self._run_containers())
        deleted = asyncio.create_task(self._deletion.wait())
        try:
            await asyncio.wait({running, deleted}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                return
            self._is_ending = True
            remaining = self._remaining()
            everything = (*self._init, *self._main)
            running.cancel()
            await asyncio.gather(*(worker.stop(remaining) for worker in everything))
        finally:
            running.cancel()
            deleted.cancel()

    async def _run_containers(self) -> None:
        await self._prepare()
        refreshing = asyncio.create_task(self._refresh())
        crowding = asyncio.create_task(self._keep_to_room())
        try:
            if not all(is_over(one.view, self._policy) for one in self._main):
                await self._run_init_containers()
            if all(one.view.is_complete or one.is_sidecar for one in self._init):
                await asyncio.gather(*(asyncio.shield(one.start()) for one in self._main))
            elsewhere = [one for one in self._init if one.is_sidecar]
            await asyncio.gather(*(one.stop(_grace(self.pod)) for one in elsewhere))
        finally:
            refreshing.cancel()
            crowding.cancel()

    async def _run_init_containers(self) -> None:
        """One after the other; the first that fails for good ends it."""
        for worker in self._init:
            running = worker.start()
            if worker.is_sidecar:
                await worker.is_started.wait()
                continue
            await asyncio.shield(running)
            if not worker.view.is_complete:
                return

    async def _prepare(self) -> None:
        while True:
            try:
                await self._sandbox.prepare()
            except (Unresolvable, KubeError) as error:
                self._sandbox.warn(reasons.MOUNT_FAILED, str(error))
                log.info("volumes.delayed", pod=str(self.pod.ref), error=str(error))
            else:
                self._has_sandbox = True
                self._dirty.set()
                return
            await asyncio.sleep(self._host.pace.retry_seconds)

    async def _refresh(self) -> None:
        """Keep ConfigMaps, Secrets and tokens of a running pod fresh."""
        while True:
            await asyncio.sleep(self._host.pace.refresh_seconds)
            try:
                await self._sandbox.volumes.write(self.pod, self._sandbox.place)
            except (Unresolvable, KubeError) as error:
                log.warning("volumes.outdated", pod=str(self.pod.ref), error=str(error))

    async def _keep_to_room(self) -> None:
        """Evict the pod once one of its volumes holds more than it may."""
        while not self._eviction:
            await asyncio.sleep(self._host.pace.memory_seconds)
            self._eviction = self._sandbox.volumes.overfull(self.pod)
        self._sandbox.warn(reasons.EVICTED, self._eviction)
        everything = (*self._init, *self._main)
        await asyncio.gather(*(one.stop(_grace(self.pod)) for one in everything))

    # End

    def _remaining(self) -> Callable[[], float]:
        """Seconds until the pod must have ended: a second DELETE may bring that nearer."""
        begun = time.monotonic()

        def remaining() -> float:
            grace = self.pod.metadata.deletion_grace_period_seconds
            if grace is None:
                grace = self.pod.spec.termination_grace_period_seconds
            return begun + grace - time.monotonic()

        return remaining

    async def _end(self) -> None:
        """Report the last status, then release the object: nothing of the pod runs any more."""
        self._is_ending = True
        while True:
            try:
                await self._report()
                meta = self.pod.metadata
                await self._host.client.delete(PODS, self.pod.ref, uid=meta.uid, grace_seconds=0)
            except KubeError as error:
                log.warning("pod.delayed", pod=str(self.pod.ref), error=str(error))
                await asyncio.sleep(STATUS_RETRY_SECONDS)
            else:
                return

    # Status

    async def _report_changes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._report()
            except KubeError as error:
                log.warning("status.delayed", pod=str(self.pod.ref), error=str(error))
                await asyncio.sleep(STATUS_RETRY_SECONDS)
                self._dirty.set()

    async def _report(self) -> None:
        """Write the status, if it is another than the last one."""
        status = pod_status(self._seen())
        if status == self._sent and _shows(self.pod, status):
            return
        path = PODS.path(self.pod.ref, subresource="status")
        body = {"metadata": {"uid": self.pod.metadata.uid}, "status": status}
        try:
            answer = await self._host.client.request(
                "PATCH", path, body=body, content_type=STRATEGIC
            )
        except NotFound:
            return
        self._sent = status
        self._sandbox.pod = Pod.model_validate(answer)

    def _seen(self) -> Seen:
        place = self._sandbox.place
        return Seen(
            pod=self.pod,
            init=tuple(one.view for one in self._init),
            containers=tuple(one.view for one in self._main),
            pod_ip=place.pod_ip if self._has_sandbox else "",
            host_ip=place.host_ip,
            started_at=self._started_at,
            is_ending=self._is_ending and not any(one.is_running for one in self._main),
            now=datetime.now(UTC),
            eviction=self._eviction,
        )

    @property
    def _policy(self) -> str:
        return self.pod.spec.restart_policy

    def _worker(self, container: Container, *, initial: bool) -> ContainerWorker:
        pod = self._sandbox.pod
        status = pod.status
        statuses = status.init_container_statuses if initial else status.container_statuses
        reason = reasons.CONTAINER_CREATING
        if pod.spec.init_containers:
            reason = reasons.POD_INITIALIZING
        view = first_view(container, statuses, reason=reason, now=datetime.now(UTC))
        return ContainerWorker(
            self._sandbox,
            container,
            view,
            policy=_container_policy(pod, container, initial=initial),
        )


def _container_policy(pod: Pod, container: Container, *, initial: bool) -> str:
    """An init container that succeeds is done, whatever the pod's policy says of others."""
    if not initial:
        return pod.spec.restart_policy
    if container.restart_policy == "Always":
        return "Always"
    return "Never" if pod.spec.restart_policy == "Never" else "OnFailure"


def _shows(pod: Pod, status: dict[str, object]) -> bool:
    """Whether the object's Ready is the one of `status`.

    While a node does not answer, the control plane says of its pods that they are not ready;
    it is for the kubelet to take that back.
    """
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    wanted = next(one["status"] for one in conditions if one["type"] == "Ready")
    shown = condition(pod.status.conditions, "Ready")
    return shown is not None and shown.status == wanted


def _grace(pod: Pod) -> Callable[[], float]:
    deadline = time.monotonic() + pod.spec.termination_grace_period_seconds
    return lambda: deadline - time.monotonic()
