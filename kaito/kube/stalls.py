"""How long the event loop stands still, measured by being late for an appointment."""

from __future__ import annotations

import asyncio

import structlog

from kaito.kube import metrics

_TICK_SECONDS = 0.1
"""Each turn costs a sleeping process far more than what it does: this is most of what it uses."""
_LEAST_SECONDS = 0.01
_LOUD_SECONDS = 1.0

log = structlog.get_logger()


async def watch_stalls(*, tick_seconds: float = _TICK_SECONDS) -> None:
    """Measure until cancelled.

    A stall shorter than a tick may be seen only in part, or not at all.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + tick_seconds
        await asyncio.sleep(tick_seconds)
        late = loop.time() - due
        if late >= _LEAST_SECONDS:
            metrics.LOOP_STALLS.observe(late)
        if late >= _LOUD_SECONDS:
            log.warning("loop.stalled", seconds=round(late, 2))
