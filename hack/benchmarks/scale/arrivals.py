"""When each Workspace is ready and its model runs, as a watch tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hack.benchmarks.scale.infrastructure import watched
from kaito.api.workspace import WORKSPACES
from kaito.kube.client import Client
from kaito.kube.kinds import DEPLOYMENTS

Json = Any


class Late(Exception):
    """Not all workspaces have become ready in time."""


class Arrivals:
    """Who has arrived: a Workspace that says Ready, and whose Deployment has its pod."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ready: dict[str, float] = {}
        self._runs: dict[str, float] = {}
        self._all = asyncio.Event()

    @property
    def moments(self) -> Mapping[str, float]:
        """When each arrived, in seconds since 1970, by name."""
        both = self._ready.keys() & self._runs.keys()
        return {name: max(self._ready[name], self._runs[name]) for name in both}

    async def complete(self, seconds: float) -> None:
        """Wait until all have arrived.

        Raises:
            Late: they have not within that time.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._all.wait()
        except TimeoutError as error:
            raise Late(f"{len(self.moments)} of {self._count} in {seconds:g} s") from error

    def hear_workspace(self, item: Json) -> None:
        """Take in a Workspace."""
        conditions = item.get("status", {}).get("conditions", ())
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            self._note(self._ready, item)

    def hear_deployment(self, item: Json) -> None:
        """Take in a Deployment."""
        if item.get("status", {}).get("readyReplicas"):
            self._note(self._runs, item)

    def _note(self, moments: dict[str, float], item: Json) -> None:
        moments.setdefault(item["metadata"]["name"], time.time())
        if len(self._ready) == len(self._runs) == self._count:
            self._all.set()


@asynccontextmanager
async def arriving(client: Client, count: int) -> AsyncIterator[Arrivals]:
    """Watch for that many workspaces."""
    arrivals = Arrivals(count)
    tasks = [
        asyncio.create_task(watched(client, WORKSPACES.path(), arrivals.hear_workspace)),
        asyncio.create_task(watched(client, DEPLOYMENTS.path(), arrivals.hear_deployment)),
    ]
    try:
        yield arrivals
    finally:
        for task in tasks:
            task.cancel()
