"""Controllers at work on a real server: when they begin, what wakes them, what they have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.reflector import Selection
from tests.bystander import LIMIT_SECONDS
from tests.engine.maps import CONFIG_MAPS, ConfigMap, Maps, following, running, values
from tests.engine.proxy import Proxy, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

DENIED = says(403, '{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}')
KEY = Ref("", "all")


class Visits:
    """The reconciles of one controller, as they come."""

    def __init__(self, look: Callable[[], Awaitable[object]]) -> None:
        self.seen: list[object] = []
        self._look = look
        self._came = asyncio.Event()

    async def reconcile(self, _key: Ref) -> Outcome:
        """Note what there is to see."""
        self.seen.append(await self._look())
        self._came.set()
        return DONE

    async def until_seen(self, count: int) -> None:
        """Wait for that many reconciles in all."""
        await self.until(lambda: len(self.seen) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a reconcile that makes it true."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def working(controller: Controller) -> AsyncIterator[None]:
    """The controller at work."""
    task = asyncio.create_task(controller.run())
    try:
        yield
    finally:
        controller.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def is_of_machines(request: web.Request) -> bool:
    """Whether it is about Machines."""
    return "/machines" in request.path


async def test_i8_no_reconcile_runs_before_every_cache_has_its_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    outage = link.next(DENIED, is_of_machines, times=10**6)
    machines = Informer(client, MACHINES)
    synced: list[bool] = []

    async def look() -> None:
        synced.append(machines.synced.is_set())

    visits = Visits(look)
    controller = Controller("barrier", visits.reconcile)
    await maps.create("a")
    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(following(client, maps))
        controller.watch(seen.informer, lambda _: [KEY])
        controller.watch(machines, lambda _: [KEY])
        await stack.enter_async_context(working(controller))
        following_machines = asyncio.create_task(machines.run())
        await link.until(lambda: sum("/machines" in each for each in link.seen) > 1)
        waiting = (len(controller.queue), list(synced))
        outage.left = 0
        machines.patience.backoff._cap_seconds = 0.1
        await visits.until(lambda: bool(synced))
        following_machines.cancel()

    assert waiting == (1, [])
    assert all(synced)


async def test_c4_a_reconcile_finds_the_present_whatever_happened_before(
    client: Client, maps: Maps
) -> None:
    async with following(client, maps) as seen:

        async def look() -> Mapping[str, str]:
            return seen.state

        visits = Visits(look)
        controller = Controller("level", visits.reconcile)
        controller.watch(seen.informer, lambda each: [each.ref])
        async with working(controller):
            await maps.create("a")
            for value in "2345":
                await maps.change("a", value)
            await visits.until(lambda: list(dict(seen.state).values()) == ["5"])
            await visits.until(lambda: visits.seen[-1] == seen.state)
            at_rest = len(visits.seen)
            await maps.delete("a")
            await visits.until(lambda: visits.seen[-1] == {})

    assert at_rest <= 5


METADATA: Mapping[str, Mapping[str, Any]] = {
    "label": {"metadata": {"labels": {"more": "1"}}},
    "annotation": {"metadata": {"annotations": {"more": "1"}}},
    "finalizer": {"metadata": {"finalizers": ["more.io/one"]}},
    "owner": {
        "metadata": {
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]
        }
    },
}


@pytest.mark.parametrize("patch", METADATA.values(), ids=METADATA)
async def test_c5_what_changes_beside_the_spec_is_looked_at_as_well(
    client: Client, maps: Maps, patch: Mapping[str, Any]
) -> None:
    async with machines_of(client, maps) as (informer, visits):
        await maps.client.merge_patch(MACHINES, Ref("", maps.group), patch)
        await visits.until_seen(2)

    assert [each.metadata.generation for each in informer.store.list()] == [1]


async def test_c5_a_status_that_others_wipe_is_looked_at(client: Client, maps: Maps) -> None:
    ref = Ref("", maps.group)
    async with machines_of(client, maps) as (informer, visits):
        for count, status in enumerate(({"nodeName": "n"}, {"nodeName": None}), start=2):
            await maps.client.merge_patch(MACHINES, ref, {"status": status}, subresource="status")
            await visits.until_seen(count)

    assert [each.metadata.generation for each in informer.store.list()] == [1]


@asynccontextmanager
async def machines_of(
    client: Client, maps: Maps
) -> AsyncIterator[tuple[Informer[Machine], Visits]]:
    """One Machine, and a controller that has looked at it once."""
    spec = {"machineTemplateRef": {"name": "t"}, "requirements": []}
    metadata = {"name": maps.group, "labels": {"test": maps.group}}
    await maps.client.create(MACHINES, {"metadata": metadata, "spec": spec})
    informer = Informer(client, MACHINES, selection=Selection(labels=f"test={maps.group}"))

    async def look() -> tuple[Machine, ...]:
        return informer.store.list()

    visits = Visits(look)
    controller = Controller("predicate", visits.reconcile)
    controller.watch(informer, lambda each: [each.ref])
    task = asyncio.create_task(informer.run())
    try:
        async with working(controller):
            await visits.until(lambda: bool(visits.seen))
            yield informer, visits
    finally:
        task.cancel()


async def test_y1_y4_a_cache_that_stands_still_makes_nothing_twice(
    link: Proxy, client: Client, maps: Maps
) -> None:
    selection = Selection("default", maps.labels)
    informer: Informer[ConfigMap] = Informer(client, CONFIG_MAPS, selection=selection)
    made: list[str] = []

    async def ensure_one() -> Mapping[str, str]:
        """What the cache says there is; makes one under a drawn name if it says none."""
        if not len(informer.store):
            made.append(str(len(made)))
            await client.create(CONFIG_MAPS, maps.wire(made[-1], "1"))
        return values(informer.store.list())

    visits = Visits(ensure_one)
    controller = Controller("gate", visits.reconcile, workers=1)
    controller.watch(informer, lambda _: [KEY])
    async with running(informer) as seen:
        await seen.until_synced()
        await link.until_streaming()
        link.freeze()
        async with working(controller):
            controller.queue.add(KEY)
            await visits.until(lambda: bool(visits.seen))
            for _ in range(20):
                controller.queue.add(KEY)
                await maps.state()
            count = len(visits.seen)
            link.drop()
            await visits.until(lambda: len(visits.seen) > 1)

    assert (made, count) == (["0"], 1)
    assert visits.seen[1] == await maps.state()
