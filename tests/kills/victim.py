"""The workspace controller, which dies of one of its writes and is started again."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from aiohttp import web

from hack.cluster.layout import Layout
from tests.bystander import until
from tests.engine.proxy import Pass
from tests.takeover.replica import Program, Replica

NAME = "victim"
"""The same each time, as a container that is restarted keeps its pod's name."""

LOST_SECONDS = 1
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class Victim:
    """One process after the other.

    Attributes:
        layout: where the API server is.
        killed_by: the write that was the end of the last one; "" while it lives.
        writes: those since `spare` or `arm`, in order.
    """

    layout: Layout
    killed_by: str = ""
    writes: list[str] = field(default_factory=list)
    _replica: Replica | None = None
    _left: int = 0
    _is_struck: bool = False

    async def start(self) -> None:
        """Start it, after whatever was its end."""
        await self.end()
        self._is_struck = False
        flags = {"node_lost_seconds": LOST_SECONDS}
        self._replica = await Replica.start(self.layout, Program.KAITO, NAME, **flags)
        self._replica.link.next(self._struck, self._is_fatal, times=1)

    async def end(self) -> None:
        """Kill it if it runs."""
        if self._replica:
            await self._replica.end()

    def arm(self, number: int) -> None:
        """Have it die of that write from now on, the first being 1; of none for 0."""
        self._left, self.killed_by = number, ""
        self.writes.clear()

    async def revive(self) -> None:
        """Start it again once it is dead, if a write was its end."""
        if not self._is_struck:
            return
        assert self._replica
        replica = self._replica

        async def is_dead() -> bool:
            return not replica.is_alive

        await until("the victim to be dead", is_dead)
        await self.start()

    def said(self) -> str:
        """The end of its log."""
        return self._replica.said() if self._replica else ""

    def _is_fatal(self, request: web.Request) -> bool:
        """Whether this is the write to die of; who leads is nobody's work."""
        if request.method not in WRITES or "/leases" in request.path:
            return False
        self.writes.append(f"{request.method} {request.path}")
        self._left -= 1
        return self._left == 0

    async def _struck(self, request: web.Request, let_through: Pass) -> web.StreamResponse:
        """The API server has done it, and whoever asked is dead before it hears of it."""
        answer = await let_through()
        assert self._replica
        self._replica.signal(signal.SIGKILL)
        self._is_struck = True
        self.killed_by = self.writes[-1]
        assert request.transport
        request.transport.abort()
        return answer
