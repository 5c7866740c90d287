"""One run of a container: a process under bubblewrap, from its start to its exit code.

Signals go to the container's own process 1, seen from here. As in any container it gets only
those that it handles, SIGKILL excepted; with it the kernel ends all the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hack.cluster.kubelet.bubblewrap import Sandbox, arguments, needs_user_namespace
from hack.cluster.kubelet.logs import LogWriter, last_text
from hack.cluster.kubelet.states import KILLED_EXIT_CODE, START_FAILED_EXIT_CODE

TIMED_OUT = -1
"""Exit code of a command in a container that took too long."""

OUTPUT_BYTES = 10 * 1024
NAMESPACES = ("-m", "-p", "-u", "-i", "-r", "-w")
"""Those of a container, and its root, as nsenter's options."""

Child = asyncio.subprocess.Process


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended.

    Attributes:
        code: 0 to 255, as a shell counts.
        failure: why the command could not even be started; "" when it was.
        is_out_of_memory: it was killed, for it held more memory than it may.
    """

    code: int
    failure: str = ""
    is_out_of_memory: bool = False


class ContainerProcess:
    """A started container."""

    def __init__(self, sandbox: Sandbox, child: Child, reports: Reports, log: LogWriter) -> None:
        self._sandbox = sandbox
        self._child = child
        self._reports = reports
        self._log = log
        self._is_out_of_memory = False
        self._ended = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls, sandbox: Sandbox, command: Sequence[str], env: Mapping[str, str], log: LogWriter
    ) -> ContainerProcess:
        """Start it. A command that cannot be run shows as its `Exit`, not as an error here.

        When this is cancelled, nothing of the container is left.
        """
        starting = asyncio.ensure_future(cls._start(sandbox, command, env, log))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            process.send(signal.SIGKILL)
            await process.wait()
            raise

    @classmethod
    async def _start(
        cls, sandbox: Sandbox, command: Sequence[str], env: Mapping[str, str], log: LogWriter
    ) -> ContainerProcess:
        reader, writer = os.pipe()
        reports = Reports(reader)
        try:
            child = await _spawned(
                arguments(sandbox, command, status_fd=writer),
                env,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(writer,),
            )
        finally:
            os.close(writer)
        # bwrap itself is never signalled: killed before its child has asked to die with it,
        # it would leave the child behind.
        await reports.begun.wait()
        return cls(sandbox, child, reports, log)

    @property
    def pid(self) -> int:
        """Of the container's process 1, as this machine numbers it; 0 if it never began."""
        return self._reports.pid

    async def wait(self) -> Exit:
        """Wait for the end; may be asked any number of times."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the container's process 1; nothing happens when it has ended."""
        if self._child.returncode is None and self._reports.pid:
            # It may have ended, and bwrap, which outlives it, not have said so yet.
            with suppress(ProcessLookupError):
                os.kill(self._reports.pid, number)

    def kill_out_of_memory(self) -> None:
        """End it as a kernel does whose limit it has passed."""
        self._is_out_of_memory = True
        self.send(signal.SIGKILL)

    async def stop(self, remaining: Callable[[], float]) -> Exit:
        """SIGTERM, then SIGKILL when no seconds remain.

        Args:
            remaining: seconds that are left; asked again and again, for the time may be cut.
        """
        self.send(signal.SIGTERM)
        while (left := remaining()) > 0:
            done, _ = await asyncio.wait({self._ended}, timeout=min(left, 0.5))
            if done:
                break
        if not self._ended.done():
            self.send(signal.SIGKILL)
        return await self.wait()

    async def execute(
        self, command: Sequence[str], env: Mapping[str, str], *, timeout_seconds: float
    ) -> tuple[int, str]:
        """Run a command in the container's namespaces; returns its exit code and its output."""
        if not self._reports.pid or self._child.returncode is not None:
            return KILLED_EXIT_CODE, "the container does not run"
        child = await self._entered(command, env)
        try:
            async with asyncio.timeout(timeout_seconds):
                output, _ = await child.communicate()
        except TimeoutError:
            return TIMED_OUT, f"timed out after {timeout_seconds:g} s"
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                await child.communicate()
        return child.returncode or 0, output[:OUTPUT_BYTES].decode(errors="replace")

    async def _entered(self, command: Sequence[str], env: Mapping[str, str]) -> Child:
        """The command in the container's namespaces; not left behind when this is cancelled."""
        users = ["-U", "--preserve-credentials"] if needs_user_namespace(self._sandbox) else []
        program = shutil.which("nsenter") or "/usr/bin/nsenter"
        into = [program, "-t", str(self._reports.pid), *users, *NAMESPACES, "--"]
        starting = asyncio.ensure_future(
            _spawned([*into, *command], env, stderr=asyncio.subprocess.STDOUT)
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            child = await starting
            os.killpg(child.pid, signal.SIGKILL)
            await child.communicate()
            raise

    async def _copy(self) -> None:
        out, err = self._child.stdout, self._child.stderr
        assert out is not None
        assert err is not None
        await asyncio.gather(self._log.copy("stdout", out), self._log.copy("stderr", err))
        self._log.close()

    async def _watch(self) -> Exit:
        await self._copy()
        outer = await self._child.wait()
        await self._reports.ended.wait()
        if self._reports.exit_code is not None:
            return Exit(self._reports.exit_code, is_out_of_memory=self._is_out_of_memory)
        if outer < 0:
            return Exit(KILLED_EXIT_CODE, is_out_of_memory=self._is_out_of_memory)
        said = last_text(self._log.path, lines=1, size=OUTPUT_BYTES).strip()
        if outer == 1 and said.startswith("bwrap: "):
            return Exit(START_FAILED_EXIT_CODE, said.removeprefix("bwrap: "))
        return Exit(outer)


class Reports:
    """What bwrap tells of the container, as JSON lines on a pipe.

    Attributes:
        pid: of the container's process 1, as this machine numbers it; 0 before it is known.
        exit_code: None until the container's command has ended, and if it never began.
        begun: set once `pid` is known or will never be.
        ended: set once nothing more will come.
    """

    def __init__(self, descriptor: int) -> None:
        """Read from that end of a pipe from now on, and close it at the end."""
        self.pid = 0
        self.exit_code: int | None = None
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self._descriptor = descriptor
        self._pending = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> None:
        chunk = os.read(self._descriptor, 64 * 1024)
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            report = json.loads(line)
            self.pid = report.get("child-pid", self.pid)
            self.exit_code = report.get("exit-code", self.exit_code)
        if not chunk:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self.ended.set()
        if self.pid or not chunk:
            self.begun.set()


async def _spawned(
    words: Sequence[str], env: Mapping[str, str], *, stderr: int, pass_fds: tuple[int, ...] = ()
) -> Child:
    return await asyncio.create_subprocess_exec(
        *words,
        env=dict(env),
        pass_fds=pass_fds,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
