"""The cases: what is done to an operator, and what is measured meanwhile."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hack.benchmarks.engine import job
from hack.benchmarks.engine.changes import COLLECTION, Changes, changing
from hack.benchmarks.engine.nodes import node
from hack.benchmarks.engine.operators import Imports, Operator, Report, System, operating
from hack.benchmarks.engine.server import Server, serving

_POLL_SECONDS = 0.05
_CHANGES_EACH_SECOND = 50
_RESTS = 20
_LITTLE = 0.05
"""Share of a processor."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything.

    Attributes:
        objects: of each case that counts them.
        nodes: that are listed.
        fault_objects: that there are when something goes wrong.
        changes: whose latency is measured.
        burst: changes that meet a fault.
        rest_seconds: how long an operator must do little before the next thing is measured.
        idle_seconds: over which idleness is measured.
        settle_seconds: the longest that all objects may take at first.
        recover_seconds: the longest that a recovery may take.
    """

    objects: Sequence[int] = (1_000, 5_000, 10_000)
    nodes: int = 10_000
    fault_objects: int = 500
    changes: int = 300
    burst: int = 50
    rest_seconds: float = 1.0
    idle_seconds: float = 10.0
    settle_seconds: float = 90.0
    recover_seconds: float = 100.0


QUICK = Scale(
    objects=(50,),
    nodes=100,
    fault_objects=50,
    changes=10,
    burst=5,
    rest_seconds=0.1,
    idle_seconds=0.5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one case has found about one system; None where it does not measure it.

    Attributes:
        case: its name.
        system: "kaito" or "kopf".
        objects: that there are.
        settled_seconds: from the end of imports until each object has its status.
        cpu_seconds: used until then, imports left out.
        peak_mb: most memory in all.
        above_imports_mb: most memory, less what the process had right after its imports.
        stall_ms: longest that the loop stood still from the start until settled.
        p50_ms: from a change that is stored until its status is stored, median.
        p99_ms: the same, 99th percentile.
        idle_cpu_percent: of one processor, when nothing changes.
        recovery_seconds: from the fault until all changes made under it are through.
        lost: objects without the status that belongs to their spec at the end.
    """

    case: str
    system: str
    objects: int
    settled_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mb: float | None = None
    above_imports_mb: float | None = None
    stall_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    idle_cpu_percent: float | None = None
    recovery_seconds: float | None = None
    lost: int | None = None


Found = tuple[Row, Imports | None]
"""What a case has found, and what the operator's imports cost, if it got that far."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Cases of one system.

    Attributes:
        system: that is measured.
        scale: of the cases.
        logs: folder that the operators write to.
    """

    system: System
    scale: Scale
    logs: Path

    async def start(self, count: int) -> Found:
        """Objects are there; the operator comes up, then some change, then nothing does."""
        row = Row(case=f"start-{count}", system=self.system.name, objects=count)
        async with self._widgets(row) as (server, operator):
            settled_at = await self._settled(server, count)
            if settled_at is None:
                return replace(row, lost=await _lost(server)), operator.imports
            row = _used(row, operator, await operator.report(), settled_at=settled_at)
            await self._rest(operator)
            await server.order("reactions", plural=job.PLURAL)  # those of the start
            async with changing(server) as changes:
                numbers = [turn * 7 % count for turn in range(self.scale.changes)]
                await changes.pace(numbers, each_second=_CHANGES_EACH_SECOND)
                await changes.all_through(self.scale.recover_seconds)
            told = await server.order("reactions", plural=job.PLURAL)
            await self._rest(operator)
            row = replace(
                row,
                p50_ms=_percentile(told["seconds"], 50),
                p99_ms=_percentile(told["seconds"], 99),
                idle_cpu_percent=await self._idle_percent(operator),
                lost=await _lost(server),
            )
            return row, operator.imports

    async def nodes(self) -> Found:
        """Nodes are there; the operator lists them."""
        count = self.scale.nodes
        row = Row(case=f"nodes-{count}", system=self.system.name, objects=count)
        async with serving() as server:
            await server.order("load", path="/api/v1/nodes", count=count, template=node())
            async with self._operating(row, "nodes", server) as operator:
                report = await operator.next_report()
                return _used(row, operator, report, settled_at=report.at), operator.imports

    async def drop(self) -> Found:
        """The connections of watches are cut, and objects change right after that."""
        return await self._fault("drop", lambda server: server.order("drop"))

    async def gone(self) -> Found:
        """Objects change that a watch does not hear of; then its version is gone: 410."""
        return await self._fault(
            "gone",
            lambda server: server.order("freeze"),
            then=lambda server: server.order("expire"),
        )

    async def errors(self) -> Found:
        """One request in five is answered with 500."""
        return await self._fault(
            "errors", lambda server: server.order("refuse", code=500, rate=0.2)
        )

    async def throttles(self) -> Found:
        """One request in five is answered with 429."""
        return await self._fault(
            "throttles", lambda server: server.order("refuse", code=429, rate=0.2)
        )

    async def frozen(self) -> Found:
        """A watch stays open and says nothing more."""
        return await self._fault("frozen", lambda server: server.order("freeze"))

    async def _fault(
        self,
        case: str,
        begin: Callable[[Server], Awaitable[object]],
        *,
        then: Callable[[Server], Awaitable[object]] | None = None,
    ) -> Found:
        """Something goes wrong, objects change meanwhile, and `then` something else happens."""
        count = self.scale.fault_objects
        row = Row(case=case, system=self.system.name, objects=count)
        async with self._widgets(row) as (server, operator):
            await self._settled(server, count)
            await self._rest(operator)
            async with changing(server) as changes:
                since = time.perf_counter()
                await begin(server)
                await _burst(changes, self.scale.burst)
                if then:
                    since = time.perf_counter()
                    await then(server)
                through = await changes.all_through(self.scale.recover_seconds)
                recovery = time.perf_counter() - since if through else None
            seconds = None if recovery is None else round(recovery, 2)
            row = replace(row, recovery_seconds=seconds, lost=await _lost(server))
            return row, operator.imports

    @asynccontextmanager
    async def _widgets(self, row: Row) -> AsyncIterator[tuple[Server, Operator]]:
        """A server with widgets, and the operator that has just begun to work on them."""
        template = {"spec": job.spec(0)}
        async with serving() as server:
            await server.order("load", path=COLLECTION, count=row.objects, template=template)
            async with self._operating(row, "widgets", server) as operator:
                yield server, operator

    @asynccontextmanager
    async def _operating(self, row: Row, kind: job.Kind, server: Server) -> AsyncIterator[Operator]:
        task = job.Task(kind, row.objects, server.kubeconfig)
        log = self.logs / f"{row.case}-{row.system}.log"
        async with operating(self.system, task, log) as operator:
            yield operator

    async def _settled(self, server: Server, count: int) -> float | None:
        """Wait until each widget has a status; when the last of them got it, None if it did not."""
        end = time.perf_counter() + self.scale.settle_seconds
        while time.perf_counter() < end:
            tally = await server.order("tally", plural=job.PLURAL)
            if tally["count"] == count:
                return float(tally["at"])
            await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _rest(self, operator: Operator) -> None:
        """Wait until it has little to do; kopf hears of its own writes for long after."""
        before = await operator.report()
        for _ in range(_RESTS):
            await asyncio.sleep(self.scale.rest_seconds)
            after = await operator.report()
            if after.cpu_seconds - before.cpu_seconds < _LITTLE * (after.at - before.at):
                return
            before = after

    async def _idle_percent(self, operator: Operator) -> float:
        before = await operator.report()
        await asyncio.sleep(self.scale.idle_seconds)
        after = await operator.report()
        used = after.cpu_seconds - before.cpu_seconds
        return round(100 * used / (after.at - before.at), 2)


def _used(row: Row, operator: Operator, report: Report, *, settled_at: float) -> Row:
    """The row with what an operator has used from the end of its imports until a report."""
    before = operator.imports
    return replace(
        row,
        settled_seconds=round(settled_at - before.at, 2),
        cpu_seconds=round(report.cpu_seconds - before.cpu_seconds, 2),
        peak_mb=round(report.peak_mb, 1),
        above_imports_mb=round(report.peak_mb - before.resident_mb, 1),
        stall_ms=round(report.stall_ms, 1),
    )


async def _burst(changes: Changes, count: int) -> None:
    """Change some widgets at once."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(changes.change(number))


async def _lost(server: Server) -> int:
    """Widgets that do not have the status that belongs to their spec."""
    items = (await server.get(COLLECTION))["items"]
    return sum(not job.is_settled(item) for item in items)


def _percentile(seconds: Sequence[float], percent: int) -> float | None:
    """The least value that `percent` of all do not exceed, in milliseconds."""
    if not seconds:
        return None
    place = math.ceil(len(seconds) * percent / 100) - 1
    return round(1000 * sorted(seconds)[place], 2)
