"""Series that are counted anew at each scrape, from what is in the stores at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Census(Collector):
    """Counts when asked; labels of what is gone are gone with it.

    Run it in the background of a manager: then only the process that leads shows these series,
    and sums over replicas are right.
    """

    def __init__(self, count: Callable[[], Iterable[Metric]]) -> None:
        self._count = count

    def collect(self) -> Iterable[Metric]:
        """What there is now."""
        return self._count()

    def describe(self) -> Iterable[Metric]:
        """Nothing: two processes in one interpreter may count the same."""
        return ()

    async def run(self) -> None:
        """Be scraped until cancelled."""
        REGISTRY.register(self)
        try:
            await asyncio.Event().wait()
        finally:
            REGISTRY.unregister(self)
