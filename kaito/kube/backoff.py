"""How long to wait after a failure."""

from __future__ import annotations

from kaito.kube.clock import SYSTEM_CLOCK, Clock

_DOUBLINGS_LIMIT = 63


def doubled(attempt: int, *, first_seconds: float, cap_seconds: float) -> float:
    """The delay after failure number `attempt` (0 is the first), doubling up to the cap."""
    return min(cap_seconds, first_seconds * 2.0 ** min(attempt, _DOUBLINGS_LIMIT))


class Backoff:
    """Delays of a loop that fails again and again.

    Each is drawn from [d, 2d), d doubling from `first_seconds` to `cap_seconds`, so that
    many clients that failed together do not come back together. The next delay after a
    quiet time of `reset_seconds` starts over.
    """

    def __init__(
        self,
        *,
        first_seconds: float = 0.8,
        cap_seconds: float = 30.0,
        reset_seconds: float = 120.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._first_seconds = first_seconds
        self._cap_seconds = cap_seconds
        self._reset_seconds = reset_seconds
        self._clock = clock
        self._attempt = 0
        self._last = float("-inf")

    def delay(self, now: float, *, floor_seconds: float = 0.0) -> float:
        """Seconds to wait after a failure at monotonic time `now`, at least the floor."""
        if now - self._last > self._reset_seconds:
            self._attempt = 0
        base = doubled(
            self._attempt, first_seconds=self._first_seconds, cap_seconds=self._cap_seconds
        )
        self._attempt += 1
        seconds = max(self._clock.between(base, 2 * base), floor_seconds)
        self._last = now + seconds
        return seconds
