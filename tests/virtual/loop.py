"""An event loop whose time jumps: nobody waits, and an hour passes as soon as all is done."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from kaito.kube import backoff
from kaito.kube.clock import SystemClock

T = TypeVar("T")

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class _Jump(selectors.SelectSelector):
    """Instead of waiting for its timeout, it moves the time on by it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the time that this should have taken has passed."""
        if timeout is None:
            raise RuntimeError("everybody waits, and nobody will ever wake them")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a time of its own, which begins at 0."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._jump.now

    def seconds(self) -> float:
        """The same moment in seconds since 1970."""
        return BEGIN.timestamp() + self._jump.now


def run(story: Coroutine[Any, Any, T], loop: VirtualLoop, *, seed: int) -> T:
    """Run a story to its end with the loop's time as everybody's, and chance from the seed."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner, _in_charge(loop, seed):
        return runner.run(story)


@contextmanager
def _in_charge(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """The engine's clock and dice are ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff, "_CHANCE", random.Random(seed))
        patch.setattr(SystemClock, "now", lambda _: BEGIN + timedelta(seconds=loop.time()))
        patch.setattr(SystemClock, "monotonic", lambda _: loop.time())
        yield
