"""One round: claims up and down again, in a local cluster of its own."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp

from hack.benchmarks.provisioner.usage import cpu_seconds, peak_mb
from hack.cluster.arm import state
from hack.cluster.arm.calls import Call
from hack.cluster.arm.provider import SYSTEM_POOL
from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.parts import Pace
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.objects import Manifest

POOL_SECONDS = 5.0
LIMIT_SECONDS = 400.0
SIZE = "Standard_NC24ads_A100_v4"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a round has shown.

    Attributes:
        machines: claims made at once.
        ready_seconds: until all of them were Ready.
        pool_seconds: until the last of their pools was: its PUT, and five seconds.
        arm_requests: of the provisioner until then, refused ones, sizes and quota included.
        puts: how many of these were PUTs.
        pools_left: after all claims are deleted, the cluster's own pool not counted.
        cpu_seconds: of the provisioner until all were Ready.
        peak_mb: most memory that it ever had, in MiB.
    """

    machines: int
    ready_seconds: float
    pool_seconds: float
    arm_requests: int
    puts: int
    pools_left: int
    cpu_seconds: float
    peak_mb: float


def machine(number: int) -> Manifest:
    """A claim for one GPU machine."""
    requirement = {"key": labels.INSTANCE_TYPE, "operator": "In", "values": [SIZE]}
    return {
        "metadata": {"name": f"bench{number:03d}", "labels": {labels.WORKSPACE: "bench"}},
        "spec": {
            "requirements": [requirement],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "50Gi"}},
        },
    }


def local_door(layout: Layout) -> aiohttp.ClientSession:
    """A session at the ARM server's own door."""
    trust = ssl.create_default_context(cafile=str(layout.arm_ca_certificate))
    connector = aiohttp.TCPConnector(ssl=trust)
    return aiohttp.ClientSession(f"{layout.arm_url}/local/", connector=connector)


async def journal(layout: Layout) -> Sequence[dict[str, object]]:
    """Every request that the ARM server has had."""
    async with local_door(layout) as session, session.get("journal") as answer:
        body = await answer.json()
    requests: Sequence[dict[str, object]] = body["requests"]
    return requests


async def play(layout: Layout, scenario: object) -> None:
    """Have the ARM server behave so."""
    async with (
        local_door(layout) as session,
        session.put("scenario", json=scenario, raise_for_status=True),
    ):
        return


def pools_left(layout: Layout) -> int:
    """Pools that there are now, in whatever state, besides the cluster's own."""
    found = state.load(layout.arm / "state.json")
    return len(found.fleet.pools.keys() - {SYSTEM_POOL}) if found else 0


def process_of(layout: Layout) -> Path | None:
    """The provisioner of that cluster, under /proc; others may run on this machine."""
    mark = f"PROVISIONER_ARM_ENDPOINT={layout.arm_url}".encode()
    for folder in Path("/proc").iterdir():
        try:
            found = (
                folder.name.isdecimal()
                and (folder / "cmdline").read_bytes().endswith(b"-m\0provisioner\0")
                and mark in (folder / "environ").read_bytes().split(b"\0")
            )
        except OSError:
            continue  # it has ended, or is not ours to look at
        if found and b"python" in (folder / "comm").read_bytes():
            return folder
    return None


def is_ready(claim: Machine) -> bool:
    """Whether its condition Ready says so."""
    return any(each.type == "Ready" and each.status == "True" for each in claim.status.conditions)


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Ask every half second until the answer is yes."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            if await done():
                return
            await asyncio.sleep(0.5)


def moment(request: dict[str, object]) -> float:
    """When a request came, in seconds since 1970."""
    return datetime.fromisoformat(str(request["time"])).timestamp()


async def measured(layout: Layout, client: Client, process: Path, *, machines: int) -> Figures:
    """Up, and down again."""
    before = len(await journal(layout))
    cpu, begun, wall = cpu_seconds(process), time.perf_counter(), time.time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(machines):
            tasks.create_task(client.create(MACHINES, machine(number)))

    async def ready() -> bool:
        count = sum(map(is_ready, await client.list(MACHINES)))
        print(f"{count} ready", file=sys.stderr)
        return count == machines

    await until(ready)
    ready_seconds = time.perf_counter() - begun
    up = (await journal(layout))[before:]
    used, peak = cpu_seconds(process) - cpu, peak_mb(process)
    await play(layout, {})
    await give_back(client)
    puts = [each for each in up if each["operation"] == "PUT"]
    accepted = [moment(each) for each in puts if each["status"] == HTTPStatus.CREATED]
    return Figures(
        machines=machines,
        ready_seconds=round(ready_seconds, 2),
        pool_seconds=round(max(accepted) + POOL_SECONDS - wall, 2),
        arm_requests=sum(each["operation"] in set(Call) for each in up),
        puts=len(puts),
        pools_left=pools_left(layout),
        cpu_seconds=round(used, 2),
        peak_mb=round(peak, 1),
    )


async def give_back(client: Client) -> None:
    """Delete all claims, and wait until they are gone."""
    async with asyncio.TaskGroup() as tasks:
        for claim in await client.list(MACHINES):
            tasks.create_task(client.delete(MACHINES, claim.ref, uid=claim.metadata.uid))

    async def gone() -> bool:
        return not await client.list(MACHINES)

    await until(gone)


async def provisioner(layout: Layout) -> Path:
    """The provisioner's process, as soon as it works: it has listed the pools."""

    async def works() -> bool:
        return any(each["operation"] == "LIST" for each in await journal(layout))

    await until(works)
    found = process_of(layout)
    assert found, "it ended at once"
    return found


async def round_of(scenario: object, *, machines: int) -> Figures:
    """Measure for so many machines, in a cluster of its own whose ARM behaves so."""
    home = fresh_home(cache_folder() / "clusters", "bench-")
    pace = Pace(provision_seconds=POOL_SECONDS, delete_seconds=1.0)
    async with running(home=home, pace=pace) as layout:
        client = await Client.connect(
            user_agent="bench", field_manager="bench", kubeconfig=str(layout.admin_kubeconfig)
        )
        try:
            process = await provisioner(layout)
            await play(layout, scenario)
            return await measured(layout, client, process, machines=machines)
        finally:
            await client.close()
