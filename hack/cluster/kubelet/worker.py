"""One container of a pod, run after run, until it has ended for good."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from hack.cluster.kubelet import memory, reasons
from hack.cluster.kubelet.container import ContainerProcess, Exit
from hack.cluster.kubelet.fields import Unresolvable
from hack.cluster.kubelet.history import is_over
from hack.cluster.kubelet.images import Pulled
from hack.cluster.kubelet.logs import LogWriter, last_text
from hack.cluster.kubelet.pod import Container, Handler, Probe
from hack.cluster.kubelet.probes import Target, Verdict, watch
from hack.cluster.kubelet.sandbox import Launch, PodSandbox
from hack.cluster.kubelet.states import (
    BackOff,
    Running,
    Terminated,
    View,
    Waiting,
    ended,
    restarts_after,
)
from kaito.kube.errors import KubeError

log = structlog.get_logger()

MESSAGE_BYTES = 4096
FALLBACK_BYTES = 2048
FALLBACK_LINES = 80


class ContainerWorker:
    """Starts a container, probes it, and starts it again as its restart policy says.

    Attributes:
        container: of the spec.
        view: what its pod's status shows of it now.
        is_started: set once it runs and its startup probe has succeeded.
    """

    def __init__(
        self, sandbox: PodSandbox, container: Container, view: View, *, policy: str
    ) -> None:
        self.container = container
        self.view = view
        self.is_started = asyncio.Event()
        self._sandbox = sandbox
        self._policy = policy
        self._process: ContainerProcess | None = None
        self._launch: Launch | None = None
        self._stopping = False
        self._stops: set[asyncio.Task[Exit]] = set()
        self._restart_delay = BackOff(
            sandbox.host.pace.restart_base_seconds, sandbox.host.pace.cap_seconds
        )
        self._probing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Run it in a task of its own, which ends when the container has ended for good."""
        self._task = asyncio.create_task(self._run())
        return self._task

    @property
    def is_running(self) -> bool:
        """Whether a process of it runs, so that more output may come."""
        return self._process is not None

    def is_in_run(self, run: int) -> bool:
        """Whether that run of it goes on, so that more of its output may come."""
        return self.is_running and self.view.restarts == run

    @property
    def is_sidecar(self) -> bool:
        """Whether it is an init container that goes on beside the others."""
        return self.container.restart_policy == "Always"

    async def stop(self, remaining: Callable[[], float]) -> None:
        """End it for good: preStop hook, SIGTERM, and SIGKILL when no seconds remain."""
        self._stopping = True
        if self._process is not None:
            await self._stop_process(self._process, remaining)
        elif self._task is not None:
            self._task.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def kill(self) -> None:
        """End it at once, without a word to anyone; nothing of it is left afterwards."""
        self._stopping = True
        if self._process is not None:
            self._process.send(signal.SIGKILL)
        tasks = {*self._stops, *([self._task] if self._task is not None else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        if is_over(self.view, self._policy):
            return
        if isinstance(self.view.state, Terminated):
            self._count_restart(self.view.state)
        while True:
            launch = await self._prepared()
            end = await self._run_once(launch)
            if self._stopping or not restarts_after(end, self._policy):
                return
            await self._back_off(end)
            self._count_restart(end)

    # Before a run

    async def _prepared(self) -> Launch:
        """The next run, once image, variables and mounts can be had."""
        pulled = await self._pulled()
        while True:
            try:
                return await self._sandbox.launch(
                    self.container, pulled.image, pulled.id, self.view.restarts
                )
            except Unresolvable as error:
                self._wait(reasons.CONFIG_FAILED, str(error))
                self._sandbox.warn(reasons.FAILED, f"Error: {error}")
            except KubeError as error:
                log.warning("launch.failed", container=self.container.name, error=str(error))
            await asyncio.sleep(self._sandbox.host.pace.retry_seconds)

    async def _pulled(self) -> Pulled:
        pace = self._sandbox.host.pace
        delay = BackOff(pace.pull_base_seconds, pace.cap_seconds)
        reference = self.container.image
        while (pulled := self._sandbox.host.images.pull(reference)) is None:
            message = (
                f'image "{reference}" is not in the table of this cluster, hack/cluster/images.yaml'
            )
            self._wait(reasons.IMAGE_PULL_FAILED, message)
            self._sandbox.warn(reasons.FAILED, f"Failed to pull: {message}")
            await asyncio.sleep(min(pace.retry_seconds, pace.pull_base_seconds))
            self._wait(
                reasons.IMAGE_PULL_BACK_OFF,
                f'Back-off pulling image "{reference}": {reasons.IMAGE_PULL_FAILED}: {message}',
            )
            await asyncio.sleep(delay.delay())
        return pulled

    async def _back_off(self, end: Terminated) -> None:
        """Wait before the next run; the first restart is free, as with any kubelet."""
        delay = self._restart_delay
        seconds = delay.delay(ran_seconds=end.ran_seconds) if self.view.restarts else 0.0
        if not seconds:
            return
        name, pod = self.container.name, self._sandbox.pod.ref
        message = f"back-off {seconds:g}s restarting failed container={name} pod={pod}"
        self.view = replace(self.view, last=end)
        self._wait(reasons.CRASH_LOOP, message)
        self._sandbox.warn(reasons.BACK_OFF, f"Back-off restarting failed container {name}")
        await asyncio.sleep(seconds)

    def _count_restart(self, end: Terminated) -> None:
        self.view = replace(self.view, last=end, restarts=self.view.restarts + 1)

    # A run

    async def _run_once(self, launch: Launch) -> Terminated:
        started_at = datetime.now(UTC)
        process = await ContainerProcess.start(
            launch.sandbox, launch.command, launch.env, LogWriter(launch.log)
        )
        self._process, self._launch = process, launch
        self._show(
            replace(
                self.view,
                state=Running(started_at),
                image_id=launch.image_id,
                container_id=self._identifier(),
            )
        )
        self._sandbox.tell(reasons.STARTED, f"Started container {self.container.name}")
        log.info("container.started", pod=str(self._sandbox.pod.ref), container=self.container.name)
        if self._stopping:
            process.send(signal.SIGKILL)
        self._probing = asyncio.create_task(self._probe())
        bounding = asyncio.create_task(self._bound(process))
        try:
            result = await process.wait()
        except asyncio.CancelledError:
            process.send(signal.SIGKILL)
            await process.wait()
            raise
        finally:
            self._process = None
            self._probing.cancel()
            bounding.cancel()
            await asyncio.wait({self._probing, bounding})
            self.is_started.clear()
        return self._ended(launch, result, started_at)

    def _ended(self, launch: Launch, result: Exit, started_at: datetime) -> Terminated:
        end = ended(
            result.code,
            started_at=started_at,
            finished_at=datetime.now(UTC),
            reason=_reason(result),
            message=result.failure or self._last_words(launch, result),
            container_id=self.view.container_id,
        )
        self._show(replace(self.view, state=end, ready=False, started=False))
        if result.failure:
            self._sandbox.warn(reasons.FAILED, f"Error: {result.failure}")
        log.info(
            "container.ended",
            pod=str(self._sandbox.pod.ref),
            container=self.container.name,
            code=result.code,
        )
        return end

    async def _bound(self, process: ContainerProcess) -> None:
        """Keep it to its limit on memory, if it has one."""
        limit = memory.limit_bytes(self.container)
        if limit is not None:
            seconds = self._sandbox.host.pace.memory_seconds
            await memory.enforce(process, limit, look_seconds=seconds)

    def _identifier(self) -> str:
        uid = self._sandbox.pod.metadata.uid
        return f"bubblewrap://{uid}-{self.container.name}-{self.view.restarts}"

    def _last_words(self, launch: Launch, result: Exit) -> str:
        said = launch.message.read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
        policy = self.container.termination_message_policy
        if said or result.code == 0 or policy != "FallbackToLogsOnError":
            return said
        return last_text(launch.log, lines=FALLBACK_LINES, size=FALLBACK_BYTES)

    async def _stop_process(
        self, process: ContainerProcess, remaining: Callable[[], float]
    ) -> Exit:
        hook = self.container.lifecycle.pre_stop
        if hook is not None and (seconds := remaining()) > 0:
            verdict = await self._target().check(hook, seconds)
            if not verdict.ok:
                self._sandbox.warn(reasons.HOOK_FAILED, f"PreStopHook failed: {verdict.message}")
        self._sandbox.tell(reasons.KILLING, f"Stopping container {self.container.name}")
        return await process.stop(remaining)

    # Probes

    async def _probe(self) -> None:
        """Everything that happens while a run lasts."""
        if self.container.lifecycle.post_start is not None:
            await self._post_start(self.container.lifecycle.post_start)
        startup = self.container.startup_probe
        if startup is not None:
            await watch(startup, self._check(startup), self._alive("Startup", startup), once=True)
        ready = self.container.readiness_probe
        self._show(replace(self.view, started=True, ready=ready is None))
        self.is_started.set()
        async with asyncio.TaskGroup() as group:
            if ready is not None:
                group.create_task(watch(ready, self._check(ready), self._judge_readiness))
            if (alive := self.container.liveness_probe) is not None:
                group.create_task(watch(alive, self._check(alive), self._alive("Liveness", alive)))

    async def _post_start(self, hook: Handler) -> None:
        grace = self._sandbox.pod.spec.termination_grace_period_seconds
        verdict = await self._target().check(hook, 300.0)
        if not verdict.ok:
            self._sandbox.warn(
                reasons.START_HOOK_FAILED, f"PostStartHook failed: {verdict.message}"
            )
            self._end_run(grace)

    def _check(self, probe: Probe) -> Callable[[], asyncio.Future[Verdict]]:
        target = self._target()
        return lambda: asyncio.ensure_future(target.check(probe, probe.timeout_seconds))

    def _judge_readiness(self, verdict: Verdict) -> None:
        if not verdict.ok:
            self._sandbox.warn(reasons.UNHEALTHY, f"Readiness probe failed: {verdict.message}")
        if verdict.ok != self.view.ready:
            self._show(replace(self.view, ready=verdict.ok))

    def _alive(self, name: str, probe: Probe) -> Callable[[Verdict], None]:
        """What to do with the results of a probe whose failure ends the run."""
        grace = probe.termination_grace_period_seconds
        if grace is None:
            grace = self._sandbox.pod.spec.termination_grace_period_seconds

        def judge(verdict: Verdict) -> None:
            if not verdict.ok:
                said = f"{name} probe failed: {verdict.message}"
                self._sandbox.warn(reasons.UNHEALTHY, said)
                self._end_run(grace)

        return judge

    def _end_run(self, grace_seconds: float) -> None:
        """Stop the present run, once; what follows is the restart policy's."""
        if self._process is None or self._stops:
            return
        if self._probing is not None:
            self._probing.cancel()
        deadline = time.monotonic() + grace_seconds
        task = asyncio.create_task(
            self._stop_process(self._process, lambda: deadline - time.monotonic())
        )
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    def _target(self) -> Target:
        return Target(self._sandbox.address, self.container, self._execute, self._sandbox.host.http)

    async def _execute(self, command: tuple[str, ...], timeout_seconds: float) -> tuple[int, str]:
        if self._process is None or self._launch is None:
            return 1, "the container does not run"
        return await self._process.execute(
            command, self._launch.env, timeout_seconds=timeout_seconds
        )

    # What others see

    def _wait(self, reason: str, message: str) -> None:
        waiting = Waiting(reason, message)
        self._show(replace(self.view, state=waiting, ready=False, started=False))

    def _show(self, view: View) -> None:
        self.view = view
        self._sandbox.changed()


def _reason(result: Exit) -> str:
    """The reason of an end that its exit code does not tell; "" for the usual one."""
    if result.failure:
        return reasons.START_FAILED
    return reasons.OUT_OF_MEMORY if result.is_out_of_memory else ""
