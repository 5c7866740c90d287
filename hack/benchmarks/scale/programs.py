"""The programs of a run as processes: the controller, the script, the infrastructure."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from hack.benchmarks.provisioner.usage import cpu_seconds, peak_mb
from hack.benchmarks.scale.script import Order
from hack.cluster.layout import Layout
from hack.cluster.process import Process, Program

READY_SECONDS = 60.0
REST_SECONDS = 4.0
"""Longer than any request is held back."""
_IMPORTS = """
import kubernetes_asyncio, kaito.__main__
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a controller has used since it started.

    Attributes:
        requests: to the API server, lists and watches included.
        cpu_seconds: on a processor.
        peak_mb: most memory that it ever had, in MiB.
    """

    requests: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Controller:
    """`python -m kaito`, as it runs.

    Attributes:
        process: it.
        port: of its metrics and health.
    """

    process: Process
    port: int

    async def used(self) -> Used:
        """What it has used up to now."""
        folder = Path("/proc") / str(self.process.pid)
        requests = 0.0
        _, text = await self._asked("metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "rest_client_requests_total":
                    requests += sample.value
        return Used(requests, cpu_seconds(folder), peak_mb(folder))

    async def rested(self) -> Used:
        """What it has used by the time that it sends nothing more: its Events come last."""
        used, before = await self.used(), -1.0
        while used.requests != before:
            before = used.requests
            await asyncio.sleep(REST_SECONDS)
            used = await self.used()
        return used

    async def is_ready(self) -> bool:
        """Whether it has seen all there is."""
        try:
            return (await self._asked("readyz"))[0] == HTTPStatus.OK
        except aiohttp.ClientConnectionError:
            return False

    async def _asked(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def controlling(layout: Layout, **more: str) -> AsyncIterator[Controller]:
    """The workspace controller, ready, until the context is left.

    It runs as in its pod, but as the administrator, and without a lease, whose renewals would
    count as requests.

    Args:
        layout: of the cluster.
        more: settings of it, as variables.
    """
    port = free_port()
    settings = {
        "KAITO_HEALTH_PORT": str(port),
        "KAITO_HOST": "127.0.0.1",
        "KAITO_LEADER_ELECT": "false",
        "KAITO_METRICS_ACCESS": "open",
        "KAITO_METRICS_PORT": str(port),
        "KUBECONFIG": str(layout.admin_kubeconfig),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(layout.repo),
        **more,
    }
    program = Program("kaito", (sys.executable, "-m", "kaito"), settings)
    process = await Process.start(program, folder=layout.repo, logs=layout.logs)
    try:
        controller = Controller(process, port)
        await process.until(controller.is_ready, limit_seconds=READY_SECONDS)
        yield controller
    finally:
        await process.stop()


@asynccontextmanager
async def answering(layout: Layout, *options: str) -> AsyncIterator[None]:
    """The infrastructure, until the context is left."""
    kubeconfig = str(layout.admin_kubeconfig)
    async with _program("infrastructure", kubeconfig, *options) as program:
        await _said(program)
        yield


class Script:
    """The script, which has connected and waits for a word."""

    def __init__(self, program: subprocess.Process) -> None:
        self._program = program

    async def run(self) -> Mapping[str, float]:
        """Have it do its work; when it began with each Workspace, by name."""
        await _tell(self._program, "go\n")
        begun: Mapping[str, float] = json.loads(await _said(self._program))
        return begun


@asynccontextmanager
async def scripting(order: Order) -> AsyncIterator[Script]:
    """The script, ready to begin."""
    async with _program("script") as program:
        await _tell(program, f"{order.model_dump_json()}\n")
        await _said(program)
        yield Script(program)


async def imports_mb() -> float:
    """Memory of a process that has imported all that the controller imports, in MiB."""
    process = await create_subprocess_exec(
        *(sys.executable, "-c", _IMPORTS), stdout=subprocess.PIPE, env=_environment()
    )
    output, _ = await process.communicate()
    return int(output) / 1024


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _program(name: str, *arguments: str) -> AsyncIterator[subprocess.Process]:
    """A program of this package; it ends with its stdin, so none outlives us."""
    program = await create_subprocess_exec(
        *(sys.executable, "-m", f"hack.benchmarks.scale.{name}", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
        limit=2**24,
    )
    try:
        yield program
    finally:
        assert program.stdin, "it was asked for"
        program.stdin.close()
        await program.wait()


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path.cwd())}


async def _tell(program: subprocess.Process, text: str) -> None:
    assert program.stdin, "it was asked for"
    program.stdin.write(text.encode())
    await program.stdin.drain()


async def _said(program: subprocess.Process) -> str:
    """The next line of a program."""
    assert program.stdout, "it was asked for"
    async with asyncio.timeout(READY_SECONDS * 10):
        line = await program.stdout.readline()
    assert line, "it ended at once"
    return line.decode()
