"""Whether requests are under way, and the wait until none is: for what can wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Quiet:
    """The requests of one client; watches do not count."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def broken(self) -> Iterator[None]:
        """A request is under way inside."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def wait(self, limit_seconds: float) -> None:
        """Wait until no request is under way, or for that long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds):
                await self._none.wait()
