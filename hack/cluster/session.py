"""A cluster for as long as a block of code runs: the parts as children, stopped in order."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from hack.cluster import audit, binaries, controlplane
from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed
from hack.cluster.layout import Layout
from hack.cluster.overlay import overlay
from hack.cluster.parts import READY_SECONDS, USUAL, Pace, Part, waves
from hack.cluster.pki import create_pki
from hack.cluster.process import Process, Program
from hack.cluster.registry.binary import registry_program
from hack.cluster.registry.server import PROGRAM, furnish, is_installed
from hack.cluster.slots import free_ports, held_slot
from hack.cluster.state import Running, State, held_home

Report = Callable[[str], None]

REPO = Path(__file__).resolve().parents[2]
SOCKET_PATH_BYTES = 107
"""Longest path of a unix socket on Linux."""


@asynccontextmanager
async def running(
    *,
    home: Path,
    pace: Pace = USUAL,
    offline: bool = False,
    keep: bool = False,
    registry: bool = False,
    report: Report = lambda _line: None,
) -> AsyncIterator[Layout]:
    """Bring a cluster up in `home` and take it down at the end of the block.

    On entry of the block the control plane is ready, the system node is Ready and the
    manifests are applied; the operator's pods may still be starting.

    Args:
        home: the cluster's folder; new, empty, or left by a cluster that was killed.
        pace: how slow the cloud is.
        offline: whether nothing may be downloaded.
        keep: whether the home stays afterwards; it does after a failure, for its logs.
        registry: whether it has an OCI registry.
        report: takes lines of progress.

    Raises:
        ClusterFailed: it did not come up; all that was started has been stopped.
    """
    sources = binaries.sources(REPO, cache_folder(), offline=offline, report=report)
    commands = await asyncio.to_thread(sources.commands)
    if registry:
        program = registry_program(cache_folder(), offline=offline, report=report)
        commands = {**commands, PROGRAM: (str(program),)}
    with held_home(home), held_slot() as slot:
        layout = await asyncio.to_thread(_furnished, home, slot, commands)
        cluster = _Cluster(layout, report)
        try:
            await cluster.start(waves(layout, pace))
            yield layout
        finally:
            await cluster.stop()
    if not keep:
        shutil.rmtree(home)


def _furnished(home: Path, slot: int, commands: binaries.Commands) -> Layout:
    ports, cache = free_ports(slot), cache_folder()
    layout = Layout(slot=slot, home=home.absolute(), repo=REPO, cache=cache, ports=ports)
    if len(os.fsencode(layout.egress_socket)) > SOCKET_PATH_BYTES:
        raise ClusterFailed(f"the path {layout.home} is too long for a socket: choose another")
    layout.save()
    for folder in (layout.logs, layout.run, layout.arm):
        folder.mkdir()
    binaries.install({**commands, binaries.PLUGIN: binaries.plugin(REPO)}, layout.binaries)
    create_pki(layout)
    controlplane.write_egress_configuration(layout)
    audit.write_policy(layout)
    if is_installed(layout):
        furnish(layout)
    return layout


class _Cluster:
    """The processes that run."""

    def __init__(self, layout: Layout, report: Report) -> None:
        self._layout = layout
        self._report = report
        self._processes: list[Process] = []
        self._ready = False
        self._save()

    async def start(self, parts: tuple[tuple[Part, ...], ...]) -> None:
        """Start wave after wave, the manifests along with the last one."""
        *early, last = parts
        for wave in early:
            await self._start_wave(wave)
        with _first_failure():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._start_wave(last))
                tasks.create_task(self._apply())
        self._ready = True
        self._save()

    async def stop(self) -> None:
        """Stop all parts, the last one first, each waited for."""
        self._ready = False
        self._save()
        while self._processes:
            process = self._processes[-1]
            self._report(f"stopping {process.program.name}")
            await asyncio.shield(process.stop())
            self._processes.pop()
            self._save()

    async def _start_wave(self, wave: tuple[Part, ...]) -> None:
        for part in wave:
            await self._start(part.program)
        with _first_failure():
            async with asyncio.TaskGroup() as tasks:
                for part, process in zip(wave, self._processes[-len(wave) :], strict=True):
                    tasks.create_task(self._until_ready(part, process))

    async def _start(self, program: Program) -> None:
        # Shielded: a process that is started is also noted, so that it will be stopped.
        layout = self._layout
        start = asyncio.ensure_future(Process.start(program, folder=layout.home, logs=layout.logs))
        try:
            await asyncio.shield(start)
        finally:
            self._processes.append(await start)
            self._save()

    async def _until_ready(self, part: Part, process: Process) -> None:
        await process.until(part.ready, limit_seconds=READY_SECONDS)
        self._report(f"{part.program.name} is ready ({part.address})")

    async def _apply(self) -> None:
        layout = self._layout
        kubectl = await asyncio.create_subprocess_exec(
            str(layout.binaries / "kubectl"),
            *("apply", "--kubeconfig", str(layout.admin_kubeconfig)),
            *("--cache-dir", str(layout.run / "kubectl"), "-k", str(overlay(layout))),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await kubectl.communicate()
        (layout.logs / "apply.log").write_bytes(output)
        if kubectl.returncode != 0:
            raise ClusterFailed(f"the manifests were refused:\n{output.decode(errors='replace')}")
        self._report("manifests are applied")

    def _save(self) -> None:
        parts = tuple(Running.of(each.program.name, each.pid) for each in self._processes)
        supervisor = Running.of("supervisor", os.getpid())
        State(supervisor=supervisor, ready=self._ready, parts=parts).save(self._layout.home)


@contextmanager
def _first_failure() -> Iterator[None]:
    """Raise the first of the failures that a task group collected, which is the cause."""
    try:
        yield
    except BaseExceptionGroup as group:
        failures = group.subgroup(ClusterFailed)
        if failures is None:
            raise
        raise _first(failures) from group


def _first(group: BaseExceptionGroup[ClusterFailed]) -> ClusterFailed:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
