"""Lines with elapsed seconds, counted from the start of this very process."""

from __future__ import annotations

import os
import time
from pathlib import Path

START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted from the field after the name in parentheses."""


def process_seconds() -> float:
    """Seconds since this process was started; `exec` keeps the count."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[START_TIME_FIELD])
    started = ticks / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def say(line: str) -> None:
    """Print one line of progress."""
    print(f"{process_seconds():7.1f} s  {line}", flush=True)
