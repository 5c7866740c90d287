"""Time and chance: the only source of either in the engine, so that tests can bring their own.

A connection is given a clock when it is made, and whatever is built upon it asks that one. With
a clock that is moved by hand and rolls seeded dice, a run can be repeated to the last delay.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """The two times that controllers need, and the delays that nobody can foresee."""

    def now(self) -> datetime:
        """Wall clock time, aware, in UTC: for what is written into objects."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""
        ...

    def between(self, low_seconds: float, high_seconds: float) -> float:
        """A delay drawn evenly from [low, high)."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clocks and dice."""

    dice: random.Random = field(default_factory=random.SystemRandom)

    def now(self) -> datetime:
        """Wall clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some point in the past, including those spent in suspend.

        CLOCK_MONOTONIC stands still while a virtual machine is suspended, and a lease
        does not; CLOCK_BOOTTIME goes on (Linux only).
        """
        return time.clock_gettime(_STEADY)

    def between(self, low_seconds: float, high_seconds: float) -> float:
        """A delay drawn evenly from [low, high)."""
        return self.dice.uniform(low_seconds, high_seconds)


SYSTEM_CLOCK = SystemClock()
