"""One process of the cluster: started, waited for until it is ready, stopped and waited for.

The kernel kills it when the process that started it dies (`setpriv --pdeathsig`), so that
nothing outlives a cluster, not even one that was killed. It gets a session of its own:
Ctrl-C reaches only the supervisor, which then stops all parts in their order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.failures import PartFailed

POLL_SECONDS = 0.05

Ready = Callable[[], Awaitable[bool]]
"""Asked again and again until it says yes; never raises."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        name: of the part, and of its log file.
        command: words; the first is an absolute path.
        environment: the whole environment of the process.
        stop_seconds: how long it may take after SIGTERM.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 10.0


class Process:
    """A started program."""

    def __init__(self, program: Program, child: asyncio.subprocess.Process, log: Path) -> None:
        self.program = program
        self.log = log
        self._child = child

    @classmethod
    async def start(cls, program: Program, *, folder: Path, logs: Path) -> Process:
        """Start it in `folder`; its output goes to `logs`/NAME.log, in a folder that is there."""
        log = logs / f"{program.name}.log"
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", *program.command),
                cwd=folder,
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(program, child, log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._child.returncode

    async def until(self, ready: Ready, *, limit_seconds: float) -> None:
        """Wait until `ready` says yes.

        Raises:
            PartFailed: the process ended, or the limit passed.
        """
        try:
            async with asyncio.timeout(limit_seconds):
                while not await ready():
                    if self.exit_code is not None:
                        raise self.failure(f"ended with {self.exit_code}")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise self.failure(f"was not ready within {limit_seconds:.0f} s") from None

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return await self._child.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to its whole session once its time is over."""
        if self.exit_code is None:
            self._child.terminate()
            try:
                async with asyncio.timeout(self.program.stop_seconds):
                    await self._child.wait()
            except TimeoutError:
                os.killpg(self.pid, signal.SIGKILL)
                await self._child.wait()

    def failure(self, what: str) -> PartFailed:
        """The error that names this part, with the last line that it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        said = f" ({lines[-1][:300]})" if lines else ""
        return PartFailed(self.program.name, what + said, str(self.log))
