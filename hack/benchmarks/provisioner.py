"""Ninety machines at once: how long until all are Ready, and what that costs.

A local cluster of its own, with pools that take five seconds. The claims are Machines that no
Workspace stands behind; the provisioner is the only one who acts on them.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp

from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.parts import Pace
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.objects import Manifest

MACHINE_COUNT = 90
POOL_SECONDS = 5.0
LIMIT_SECONDS = 300.0
SIZE = "Standard_NC24ads_A100_v4"
ARM_CALLS = ("PUT", "GET", "LIST", "DELETE", "POLL", "ABORT")


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


async def journal(layout: Layout) -> Sequence[dict[str, object]]:
    """Every request that the ARM server has had."""
    trust = ssl.create_default_context(cafile=str(layout.arm_ca_certificate))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{layout.arm_url}/local/journal") as answer,
    ):
        body = await answer.json()
    requests: Sequence[dict[str, object]] = body["requests"]
    return requests


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


def cpu_seconds(process: Path) -> float:
    """Time on a processor since its start."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: Path) -> float:
    """Most memory that it ever had resident."""
    lines = (process / "status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kib / 1024


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


async def measured(layout: Layout, client: Client, process: Path) -> dict[str, object]:
    """One round: up, and down again."""
    before = len(await journal(layout))
    cpu, begun, wall = cpu_seconds(process), time.perf_counter(), time.time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(MACHINE_COUNT):
            tasks.create_task(client.create(MACHINES, machine(number)))

    async def ready() -> bool:
        count = sum(map(is_ready, await client.list(MACHINES)))
        print(f"{count} ready", file=sys.stderr)
        return count == MACHINE_COUNT

    await until(ready)
    ready_seconds = time.perf_counter() - begun
    up = (await journal(layout))[before:]
    puts = [each for each in up if each["operation"] == "PUT"]
    accepted = [moment(each) for each in puts if each["status"] == HTTPStatus.CREATED]
    used, peak = cpu_seconds(process) - cpu, peak_mb(process)
    async with asyncio.TaskGroup() as tasks:
        for claim in await client.list(MACHINES):
            tasks.create_task(client.delete(MACHINES, claim.ref, uid=claim.metadata.uid))

    async def gone() -> bool:
        return not await client.list(MACHINES)

    await until(gone)
    whole = await journal(layout)
    deleted = {each["pool"] for each in whole if each["operation"] == "DELETE"}
    return {
        "machines": MACHINE_COUNT,
        "ready_seconds": round(ready_seconds, 2),
        "pool_seconds": round(max(accepted) + POOL_SECONDS - wall, 2),
        "arm_requests": sum(each["operation"] in ARM_CALLS for each in up),
        "list_pages": sum(each["operation"] == "LIST" for each in up),
        "puts": len(puts),
        "pools_left": len({each["pool"] for each in puts} - deleted),
        "cpu_seconds": round(used, 2),
        "peak_mb": round(peak, 1),
    }


async def provisioner(layout: Layout) -> Path:
    """The provisioner's process, as soon as it runs."""

    async def runs() -> bool:
        return process_of(layout) is not None

    await until(runs)
    found = process_of(layout)
    assert found, "it ended at once"
    return found


async def main() -> None:
    """Measure, and print the figures."""
    home = fresh_home(cache_folder() / "clusters", "bench-")
    pace = Pace(provision_seconds=POOL_SECONDS, delete_seconds=1.0)
    async with running(home=home, pace=pace) as layout:
        client = await Client.connect(
            user_agent="bench", field_manager="bench", kubeconfig=str(layout.admin_kubeconfig)
        )
        try:
            report = await measured(layout, client, await provisioner(layout))
        finally:
            await client.close()
    print(json.dumps({"benchmark": "provisioner", **report, "throttled": None}))


if __name__ == "__main__":
    asyncio.run(main())
