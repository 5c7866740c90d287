"""One row: workspaces created at once, with the controllers and with the bare script."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from hack.benchmarks.scale.arrivals import arriving
from hack.benchmarks.scale.grounds import GROUNDS, Ground
from hack.benchmarks.scale.programs import Used, controlling, scripting
from hack.benchmarks.scale.record import Record, recorded, workspace
from hack.benchmarks.scale.script import Order, claim

LIMIT_SECONDS = 240.0
RUNS = 3
"""How often a row is measured."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one number of workspaces.

    Attributes:
        infrastructure: "instant", or "pools" of five seconds with the provisioner.
        n: workspaces created at once.
        ready_seconds: from the first request on until all of them are ready.
        floor_seconds: the same for a bare script that makes the same objects.
        ratio: of the two.
        p50_seconds: from the creation of one until it is ready, median.
        p99_seconds: the same, 99th percentile.
        requests_per_workspace: of the workspace controller, its Events included.
        cpu_seconds: of the workspace controller.
        peak_mb: most memory that it ever had, in MiB.
        above_imports_mb: the same, less that of a process that has imported the same.
    """

    infrastructure: str
    n: int
    ready_seconds: float
    floor_seconds: float
    ratio: float
    p50_seconds: float
    p99_seconds: float
    requests_per_workspace: float
    cpu_seconds: float
    peak_mb: float
    above_imports_mb: float


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run with the controllers has shown.

    Attributes:
        seconds: until all workspaces were ready.
        latencies: seconds of each.
        used: what the controller used meanwhile.
        record: what it made for the first one.
        pool: the pool of that one; None where there is no cloud.
    """

    seconds: float
    latencies: Sequence[float]
    used: Used
    record: Record
    pool: object


def median_row(rows: Sequence[Row]) -> Row:
    """Each figure is the median of those of several runs; the ratio is that of two medians."""
    found = [asdict(each) for each in rows]
    medians = {
        name: round(statistics.median(each[name] for each in found), 2)
        for name in found[0].keys() - {"infrastructure", "n"}
    }
    ratio = round(medians["ready_seconds"] / medians["floor_seconds"], 2)
    return Row(**{**found[0], **medians, "ratio": ratio})


async def row(infrastructure: str, count: int, *, imports_mb: float, say: Say) -> Row:
    """Measure once for so many workspaces, and then their floor."""
    place = GROUNDS[infrastructure]
    async with place(controlled=True) as ground:
        run = await _controlled(ground, count)
    say(f"{infrastructure} {count}: {run.seconds:.2f} s")
    numbers = range(count if run.pool else 0)
    pools = {claim(number): run.record.pool(run.pool, number) for number in numbers}
    async with place(controlled=False) as ground:
        floor = await _floor(ground, count, run.record, pools)
    say(f"{infrastructure} {count}: {floor:.2f} s is the floor")
    return Row(
        infrastructure=infrastructure,
        n=count,
        ready_seconds=round(run.seconds, 2),
        floor_seconds=round(floor, 2),
        ratio=round(run.seconds / floor, 2),
        p50_seconds=round(percentile(run.latencies, 50), 2),
        p99_seconds=round(percentile(run.latencies, 99), 2),
        requests_per_workspace=round(run.used.requests / count, 2),
        cpu_seconds=round(run.used.cpu_seconds, 2),
        peak_mb=round(run.used.peak_mb, 1),
        above_imports_mb=round(run.used.peak_mb - imports_mb, 1),
    )


def percentile(seconds: Sequence[float], percent: int) -> float:
    """The least value that `percent` of all do not exceed."""
    return sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]


async def _controlled(ground: Ground, count: int) -> _Run:
    """Run with the controllers."""
    order = Order(
        kubeconfig=str(ground.layout.admin_kubeconfig),
        count=count,
        workspace=workspace(finalizer=False),
    )
    async with controlling(ground.layout) as controller, scripting(order) as script:
        async with arriving(ground.client, count) as arrivals:
            before = await controller.used()
            begun = await script.run()
            await arrivals.complete(LIMIT_SECONDS)
            after = await controller.rested()
        used = Used(
            after.requests - before.requests,
            after.cpu_seconds - before.cpu_seconds,
            after.peak_mb,
        )
        record = await recorded(ground.client)
        pool = ground.pool(record.claim)
    latencies = [at - begun[name] for name, at in arrivals.moments.items()]
    return _Run(_span(begun, arrivals.moments), latencies, used, record, pool)


async def _floor(ground: Ground, count: int, record: Record, pools: Mapping[str, object]) -> float:
    """Run with the bare script; its seconds."""
    order = Order(
        kubeconfig=str(ground.layout.admin_kubeconfig),
        count=count,
        workspace=workspace(finalizer=True),
        others=record.others,
    )
    async with scripting(order) as script, arriving(ground.client, count) as arrivals:
        begun, _ = await asyncio.gather(script.run(), ground.buy(pools))
        await arrivals.complete(LIMIT_SECONDS)
    return _span(begun, arrivals.moments)


def _span(begun: Mapping[str, float], moments: Mapping[str, float]) -> float:
    return max(moments.values()) - min(begun.values())
