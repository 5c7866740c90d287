"""One process on a real server: in which order it starts, what ends it, what it says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.kinds import LEASES
from kaito.kube.lease import Elector
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from tests.bystander import LIMIT_SECONDS
from tests.engine.maps import CONFIG_MAPS, Maps
from tests.engine.proxy import BAD_GATEWAY, Proxy, unanswered

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

HOST = "127.0.0.1"
ENDLESS = 10**6


@dataclass(slots=True)
class Process:
    """What runs as one process does, and what it has done.

    Attributes:
        manager: of it.
        running: its end is the exit status.
        visits: who held the lease at the beginning of each reconcile.
        ends: how each ended, and whether this process led then.
        begun: set by the first reconcile.
        may_end: lets reconciles end.
    """

    manager: Manager
    running: asyncio.Task[int]
    visits: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def says(self, page: str) -> tuple[int, str]:
        """What its health server answers."""
        url = f"http://{HOST}:{self.manager.ports[0]}/{page}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


async def holder(maps: Maps) -> str:
    """Who is in the lease, "" for nobody."""
    lease = await maps.client.get(LEASES, Ref("default", maps.group))
    return lease.spec.holder_identity if lease else ""


def elector(client: Client, maps: Maps, identity: str, *, renew_seconds: float) -> Elector:
    """One that acts for so long without an answer, and asks often."""
    each = Elector(
        client,
        Ref("default", maps.group),
        identity,
        hold_seconds=2 * renew_seconds,
        renew_seconds=renew_seconds,
        retry_seconds=0.2,
    )
    each.watchdog = None
    return each


@asynccontextmanager
async def process(
    client: Client, maps: Maps, *, renew_seconds: float = 20
) -> AsyncIterator[Process]:
    """A process whose controller looks at the ConfigMaps of this test."""
    lease = elector(client, maps, "a", renew_seconds=renew_seconds)
    manager = Manager(client, elector=lease, host=HOST, health_port=0, metrics_port=0)

    async def reconcile(key: Ref) -> Outcome:
        started.visits.append(await holder(maps))
        started.begun.set()
        how = "cut short"
        try:
            await started.may_end.wait()
            how = "whole"
        finally:
            started.ends.append(f"{how}, {leads(lease)}")
        return DONE

    informer = manager.informer(CONFIG_MAPS, namespace="default", labels=maps.labels)
    informer.patience.backoff = Backoff(first_seconds=0.05, cap_seconds=0.2)
    controller = Controller("managed", reconcile)
    controller.watch(informer, lambda each: [each.ref])
    manager.add(controller)
    started = Process(manager, asyncio.create_task(manager.run()))
    try:
        yield started
    finally:
        started.may_end.set()
        manager.stop()
        await asyncio.wait([started.running])


def leads(lease: Elector) -> str:
    """Whether a process leads."""
    return "leading" if lease.is_leader else "not leading"


async def until_ready(ours: Process) -> None:
    """Ask again and again until the process says that it is."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await ours.says("readyz"))[0] != 200:
            pass


async def test_c6_i8_work_begins_with_the_lists_and_with_leadership(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")
    rival = elector(maps.client, maps, "b", renew_seconds=20)
    await rival.acquire()
    holding = asyncio.create_task(rival.hold())
    outage = link.next(BAD_GATEWAY, lambda request: "configmaps" in request.path, ENDLESS)

    async with process(client, maps) as ours:
        await link.until(lambda: len(link.seen) > 5)
        asked = [each for each in link.seen if "/leases" in each]
        unready = await ours.says("readyz")
        outage.left = 0
        await until_ready(ours)
        standing_by = await ours.says("readyz")
        before = list(ours.visits)
        holding.cancel()
        await asyncio.wait([holding])
        await rival.release()
        async with asyncio.timeout(LIMIT_SECONDS):
            await ours.begun.wait()

    assert (asked, unready[0], standing_by[0], before) == ([], 503, 200, [])
    assert ours.visits == ["a"]


async def test_c7_l6_a_stop_lets_a_reconcile_end_before_the_lease_is_given_back(
    client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with process(client, maps) as ours:
        async with asyncio.timeout(LIMIT_SECONDS):
            await ours.begun.wait()
            ours.manager.stop()
            await ours.says("healthz")
            held = await holder(maps)
            ours.may_end.set()
            code = await ours.running

    assert (held, await holder(maps)) == ("a", "")
    assert (ours.ends, code) == (["whole, leading"], 0)


async def test_c8_c10_a_lost_lease_ends_the_process_and_no_outage_kills_it(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with process(client, maps, renew_seconds=4) as ours:
        async with asyncio.timeout(LIMIT_SECONDS):
            await ours.begun.wait()
            link.freeze()
            link.next(unanswered, lambda _: True, ENDLESS)
            alive = await ours.says("healthz")
            code = await ours.running

    assert alive == (200, "ok\n")
    assert code == 1
    assert ours.ends == ["cut short, not leading"]
