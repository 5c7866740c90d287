"""Lines with elapsed seconds, counted from the start of this very process."""

from __future__ import annotations

import os
import time

from hack.cluster.state import start_time


def process_seconds() -> float:
    """Seconds since this process was started; `exec` keeps the count."""
    started = start_time(os.getpid()) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def say(line: str) -> None:
    """Print one line of progress."""
    print(f"{process_seconds():7.1f} s  {line}", flush=True)
