"""What an operator says about its own process, whoever wrote the operator.

Standard library only: operators of other environments import it as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import time
from pathlib import Path

_TICK_SECONDS = 0.005
_MIB = 2**20


class Probe:
    """Writes reports to a file descriptor: one when it is made, one at each SIGUSR1.

    It is made when all imports are done, and counts from there.
    """

    def __init__(self, reports: int) -> None:
        self._reports = reports
        self._stall_seconds = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self.report()

    def start(self) -> None:
        """Begin to measure stalls of the running loop; the first report that is asked for ends it.

        So the ticks do not count as the operator's own work later on.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.finish)
        self._ticking = loop.create_task(self._tick())

    def finish(self) -> None:
        """Measure no more stalls, and report."""
        if self._ticking:
            self._ticking.cancel()
            self._ticking = None
        self.report()

    def report(self) -> None:
        """Say what has been used so far."""
        own, children = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        said = {
            "at": time.time(),
            "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in (own, children)),
            "resident_mb": _resident_bytes() / _MIB,
            "peak_mb": own.ru_maxrss * 1024 / _MIB,
            "stall_ms": self._stall_seconds * 1000,
        }
        os.write(self._reports, json.dumps(said).encode() + b"\n")

    async def _tick(self) -> None:
        """Be late for one appointment after the other."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _TICK_SECONDS
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            now = loop.time()
            self._stall_seconds = max(self._stall_seconds, now - due)
            due = now + _TICK_SECONDS


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
