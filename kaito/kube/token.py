"""The Authorization header, while tokens are rotated under the running program."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from kaito.kube.clock import SYSTEM_CLOCK, Clock

_AGE_SECONDS = 60.0

log = structlog.get_logger()


class RotatingToken:
    """A header that is read again once a minute, and at once when it was refused.

    Args:
        header: what was read first; "" means that no token is needed, ever.
        read: reads it anew, told the header that was refused, "" for none; raises OSError or
            ValueError when its source is no good now.
        clock: measures the header's age.
        read_seconds: how long that may take.
    """

    def __init__(
        self,
        header: str,
        read: Callable[[str], Awaitable[str]],
        *,
        clock: Clock = SYSTEM_CLOCK,
        read_seconds: float = 10.0,
    ) -> None:
        self._header = header
        self._read = read
        self._clock = clock
        self._read_seconds = read_seconds
        self._read_at = clock.monotonic()

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value; read anew when `refused` is the one that we have."""
        stale = self._clock.monotonic() - self._read_at > _AGE_SECONDS
        is_refused = refused == self._header
        if self._header and (stale or is_refused):
            self._read_at = self._clock.monotonic()
            try:
                async with asyncio.timeout(self._read_seconds):
                    self._header = await self._read(self._header if is_refused else "")
            except (OSError, ValueError) as error:
                # The file may be half-written just now, or the program that makes tokens hang:
                # the old one may still do.
                log.warning("token.unread", error=repr(error))
        return self._header
