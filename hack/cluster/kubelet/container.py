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
from dataclasses import dataclass

from hack.cluster.kubelet.bubblewrap import Sandbox, arguments, needs_user_namespace
from hack.cluster.kubelet.logs import LogWriter, last_text
from hack.cluster.kubelet.states import KILLED_EXIT_CODE, START_FAILED_EXIT_CODE

TIMED_OUT = -1
"""Exit code of a command in a container that took too long."""

OUTPUT_BYTES = 10 * 1024


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended.

    Attributes:
        code: 0 to 255, as a shell counts.
        failure: why the command could not even be started; "" when it was.
    """

    code: int
    failure: str = ""


class ContainerProcess:
    """A started container."""

    def __init__(
        self, sandbox: Sandbox, child: asyncio.subprocess.Process, report: int, log: LogWriter
    ) -> None:
        self._sandbox = sandbox
        self._child = child
        self._report = report
        self._log = log
        self._inner_pid = 0
        self._copying = asyncio.create_task(self._copy())
        self._ended = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls, sandbox: Sandbox, command: Sequence[str], env: Mapping[str, str], log: LogWriter
    ) -> ContainerProcess:
        """Start it. A command that cannot be run shows as its `Exit`, not as an error here."""
        reader, writer = os.pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                *arguments(sandbox, command, status_fd=writer),
                env=dict(env),
                pass_fds=(writer,),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        return cls(sandbox, child, reader, log)

    async def wait(self) -> Exit:
        """Wait for the end; may be asked any number of times."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the container's process 1; nothing happens when it has ended."""
        if self._child.returncode is None and (pid := self._pid()):
            os.kill(pid, number)

    def kill(self) -> None:
        """End all of it at once, also before its process 1 is known."""
        self.send(signal.SIGKILL)
        if self._child.returncode is None and not self._pid():
            self._child.kill()

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
            self.kill()
        return await self.wait()

    async def execute(
        self, command: Sequence[str], env: Mapping[str, str], *, timeout_seconds: float
    ) -> tuple[int, str]:
        """Run a command in the container's namespaces; returns its exit code and its output."""
        pid = self._pid()
        if not pid or self._child.returncode is not None:
            return KILLED_EXIT_CODE, "the container does not run"
        child = await asyncio.create_subprocess_exec(
            *self._entering(pid),
            *command,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout_seconds):
                output, _ = await child.communicate()
        except TimeoutError:
            return TIMED_OUT, f"timed out after {timeout_seconds:g} s"
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
        return child.returncode or 0, output[:OUTPUT_BYTES].decode(errors="replace")

    def _entering(self, pid: int) -> list[str]:
        users = ["-U", "--preserve-credentials"] if needs_user_namespace(self._sandbox) else []
        program = shutil.which("nsenter") or "/usr/bin/nsenter"
        return [program, "-t", str(pid), *users, "-m", "-p", "-u", "-i", "-r", "-w", "--"]

    async def _copy(self) -> None:
        out, err = self._child.stdout, self._child.stderr
        assert out is not None
        assert err is not None
        await asyncio.gather(self._log.copy("stdout", out), self._log.copy("stderr", err))
        self._log.close()

    async def _watch(self) -> Exit:
        outer = await self._child.wait()
        await self._copying
        reported = self._reports().get("exit-code")
        os.close(self._report)
        if reported is not None:
            return Exit(int(reported))
        if outer < 0:
            return Exit(KILLED_EXIT_CODE)
        said = last_text(self._log.path, lines=1, size=OUTPUT_BYTES).strip()
        if outer == 1 and said.startswith("bwrap: "):
            return Exit(START_FAILED_EXIT_CODE, said.removeprefix("bwrap: "))
        return Exit(outer)

    def _pid(self) -> int:
        """The container's process 1 as this machine numbers it; 0 while it is not known."""
        self._inner_pid = self._inner_pid or int(self._reports().get("child-pid", 0))
        return self._inner_pid

    def _reports(self) -> dict[str, int]:
        """What bwrap has reported since the last call."""
        try:
            lines = os.read(self._report, 64 * 1024).splitlines()
        except BlockingIOError:
            return {}
        merged: dict[str, int] = {}
        for line in lines:
            merged |= json.loads(line)
        self._inner_pid = self._inner_pid or merged.get("child-pid", 0)
        return merged
