"""Where time comes from, so that tests can bring their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The two times that controllers need."""

    def now(self) -> datetime:
        """Wall clock time, aware, in UTC: for what is written into objects."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Wall clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some point in the past, including those spent in suspend.

        CLOCK_MONOTONIC stands still while a virtual machine is suspended, and a lease
        does not; CLOCK_BOOTTIME goes on (Linux only).
        """
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


SYSTEM_CLOCK = SystemClock()
