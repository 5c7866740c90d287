"""A thread that ends the process when its event loop is too stuck to end by itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from kaito.kube.clock import Clock

_EXIT_CODE = 1
_LONGEST_NAP_SECONDS = 1.0


def _die() -> None:
    """End now: no clean-up, no buffers; another process may already lead."""
    os.write(2, b'{"event": "lease.overstayed", "level": "error"}\n')
    os._exit(_EXIT_CODE)


class Watchdog:
    """Waits for a deadline that is moved on as long as all is well.

    It is a plain thread, because a coroutine cannot notice that the loop stands still.
    """

    def __init__(self, *, margin_seconds: float, die: Callable[[], None] = _die) -> None:
        """Make a watchdog.

        Args:
            margin_seconds: how long after the deadline the loop may take to stop work.
            die: what to do when it took longer.
        """
        self._margin_seconds = margin_seconds
        self._die = die
        self._deadline = float("inf")
        self._stopped = threading.Event()

    def start(self, clock: Clock) -> None:
        """Begin to watch; the deadline is on `clock`'s monotonic time."""
        self._stopped.clear()
        threading.Thread(
            target=self._watch, args=(clock,), name="lease-watchdog", daemon=True
        ).start()

    def extend(self, deadline: float) -> None:
        """Move the deadline on."""
        self._deadline = deadline

    def stop(self) -> None:
        """All guarded work has ended: watch no more."""
        self._stopped.set()

    def _watch(self, clock: Clock) -> None:
        while True:
            left = self._deadline + self._margin_seconds - clock.monotonic()
            if left <= 0:
                self._die()
                return
            if self._stopped.wait(min(left, _LONGEST_NAP_SECONDS)):
                return
