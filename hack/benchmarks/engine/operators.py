"""The operators as processes: how they are started, and what they say about themselves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.benchmarks.engine.job import Task

_STOP_SECONDS = 30.0
_REPORT_SECONDS = 60.0


class Silent(Exception):
    """An operator says nothing about itself; its log may tell why."""


@dataclass(frozen=True, slots=True)
class System:
    """What is measured.

    Attributes:
        name: of it in the report.
        python: interpreter of the environment that it is installed in.
    """

    name: str
    python: Path

    @property
    def module(self) -> str:
        """The module that is its operator."""
        return f"hack.benchmarks.engine.{self.name}_operator"


@dataclass(frozen=True, slots=True)
class Report:
    """What a process has used since its start.

    Attributes:
        at: when this was said, in seconds since 1970.
        cpu_seconds: on a processor, its children's included.
        resident_mb: memory at the moment, in MiB.
        peak_mb: most memory so far, in MiB.
        stall_ms: longest that its event loop has stood still while this was measured.
    """

    at: float
    cpu_seconds: float
    resident_mb: float
    peak_mb: float
    stall_ms: float


@dataclass(frozen=True, slots=True)
class Imports(Report):
    """The report of a process that has imported all it needs.

    Attributes:
        seconds: that it took from the start of the process on.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Operator:
    """A running operator.

    Attributes:
        process: it.
        reports: what it says about itself.
        imports: what it said when it began to work.
    """

    process: subprocess.Process
    reports: Reports
    imports: Imports

    async def report(self) -> Report:
        """What it has used up to now."""
        self.process.send_signal(signal.SIGUSR1)
        return await self.next_report()

    async def next_report(self) -> Report:
        """The next report that it makes, whoever asks for it."""
        return Report(**await self.reports.next())


class Reports:
    """The end of a pipe on which a process reports."""

    def __init__(self) -> None:
        self._stream = asyncio.StreamReader()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Listen; the file descriptor to which the process writes, ours to close."""
        ours, theirs = os.pipe()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._stream), os.fdopen(ours, "rb")
        )
        try:
            yield theirs
        finally:
            transport.close()

    async def next(self) -> dict[str, float]:
        """The next report.

        Raises:
            Silent: there is none.
        """
        try:
            async with asyncio.timeout(_REPORT_SECONDS):
                line = await self._stream.readline()
        except TimeoutError as error:
            raise Silent(f"no report for {_REPORT_SECONDS:g} s") from error
        if not line:
            raise Silent("the operator has ended")
        told: dict[str, float] = json.loads(line)
        return told


@asynccontextmanager
async def operating(system: System, task: Task, log: Path) -> AsyncIterator[Operator]:
    """An operator that has imported all it needs and begins to work, until the context is left.

    Args:
        system: what it is an operator of.
        task: what it has to do.
        log: file that its output goes to.

    Raises:
        Silent: it never began.
    """
    reports = Reports()
    async with reports.open() as descriptor:
        started = time.time()
        process = await _begun(system, task, log, descriptor)
        os.close(descriptor)
        try:
            imported = await reports.next()
            imports = Imports(**imported, seconds=imported["at"] - started)
            yield Operator(process, reports, imports)
        finally:
            await _stop(process)


async def _begun(system: System, task: Task, log: Path, descriptor: int) -> subprocess.Process:
    """Start it."""
    with log.open("wb") as output:
        return await create_subprocess_exec(
            *(str(system.python), "-m", system.module, *task.arguments(descriptor)),
            stdout=output,
            stderr=output,
            pass_fds=(descriptor,),
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )


async def _stop(process: subprocess.Process) -> None:
    """Ask it to end, and end it if it does not."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


OWN = System("kaito", Path(sys.executable))
