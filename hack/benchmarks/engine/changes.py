"""Changes of specs, and when each object has the status that belongs to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hack.benchmarks.engine import job
from hack.benchmarks.engine.server import Server

COLLECTION = f"/apis/{job.GROUP}/{job.VERSION}/namespaces/{job.NAMESPACE}/{job.PLURAL}"


class Changes:
    """Changes widgets, and sees in a watch of its own when they have their status."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: dict[str, int] = {}
        self._round = 0
        self._heard = asyncio.Event()

    async def change(self, number: int) -> None:
        """Change one widget."""
        name = f"w-{number:05d}"
        self._round += 1
        self._open[name] = self._round
        await self._server.merge(f"{COLLECTION}/{name}", {"spec": job.spec(self._round)})

    async def pace(self, numbers: Sequence[int], *, each_second: float) -> None:
        """Change some widgets, one after the other."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for turn, number in enumerate(numbers):
            await asyncio.sleep(begin + turn / each_second - loop.time())
            await self.change(number)

    async def all_through(self, seconds: float) -> bool:
        """Wait until every change is through, or that long."""
        try:
            async with asyncio.timeout(seconds):
                while self._open:
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            return False
        return True

    def hear(self, line: bytes) -> None:
        """Take in one event of the watch."""
        item = json.loads(line)["object"]
        round = self._open.get(item["metadata"]["name"])
        if round is None or item["spec"] != job.spec(round) or not job.is_settled(item):
            return
        del self._open[item["metadata"]["name"]]
        self._heard.set()


@asynccontextmanager
async def changing(server: Server) -> AsyncIterator[Changes]:
    """Changes, with the watch that sees what becomes of them."""
    changes = Changes(server)
    version = (await server.get(f"{COLLECTION}?limit=1"))["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}"
    async with server.session.get(f"{server.url}{COLLECTION}?{query}") as answer:

        async def listen() -> None:
            async for line in answer.content:
                changes.hear(line)

        listening = asyncio.create_task(listen())
        try:
            yield changes
        finally:
            listening.cancel()
