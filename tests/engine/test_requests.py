"""Single requests: how many at a time, how often, for how long, and what a failure is called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from kaito.kube.client import Client
from kaito.kube.deadlines import Deadlines
from kaito.kube.errors import KubeError, Unavailable
from kaito.kube.kinds import LEASES
from kaito.kube.objects import Ref
from kaito.kube.transport import Transport
from tests.engine.maps import CONFIG_MAPS, ConfigMap, Maps, following
from tests.engine.proxy import Proxy, is_method, late, lost, refused, unanswered

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

IN_FLIGHT = 32
WRITES: dict[str, Callable[[Client, Maps, ConfigMap], Awaitable[object]]] = {
    "POST": lambda client, maps, _: client.create(CONFIG_MAPS, maps.wire("new", "1")),
    "PUT": lambda client, maps, _: client.replace(CONFIG_MAPS, maps.wire("old", "2")),
    "PATCH": lambda client, _, old: client.merge_patch(
        CONFIG_MAPS, old.ref, {"data": {"value": "2"}}
    ),
    "DELETE": lambda client, _, old: client.delete(CONFIG_MAPS, old.ref),
}


async def test_t1_requests_at_a_time_are_limited_and_leases_are_not_counted(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")
    free = asyncio.Event()
    held = link.next(late(free), lambda request: "configmaps" in request.path, times=100)

    many = [asyncio.create_task(client.get(CONFIG_MAPS, maps.ref("a"))) for _ in range(100)]
    await link.until(lambda: len(link.seen) >= IN_FLIGHT)
    await client.get(LEASES, Ref("default", "none"))
    under_way = 100 - held.left
    free.set()
    found = await asyncio.gather(*many)

    assert under_way == IN_FLIGHT
    assert all(found)


async def test_t1_watches_are_not_counted(link: Proxy, client: Client, maps: Maps) -> None:
    await maps.create("a")
    transport = client._transport
    assert isinstance(transport, Transport)
    transport._lane = replace(transport._lane, slots=asyncio.Semaphore(1))

    async with following(client, maps) as seen:
        await client.merge_patch(CONFIG_MAPS, maps.ref("a"), {"data": {"value": "2"}})
        await seen.until(await maps.state())

    assert len(link.seen) == 2


@pytest.mark.parametrize("method", WRITES)
async def test_t2_a_write_whose_answer_was_lost_is_unknown_and_leaves_once(
    link: Proxy, client: Client, maps: Maps, method: str
) -> None:
    old = await maps.create("old")
    await client.get(CONFIG_MAPS, old.ref)
    link.next(lost, is_method(method))

    with pytest.raises(Unavailable):
        await WRITES[method](client, maps, old)

    assert [said.partition(" ")[0] for said in link.seen] == ["GET", method]


async def test_t2_a_read_whose_connection_was_reset_is_sent_again(
    link: Proxy, client: Client, maps: Maps
) -> None:
    made = await maps.create("a")
    await client.get(CONFIG_MAPS, made.ref)
    link.next(refused, is_method("GET"))

    assert await client.get(CONFIG_MAPS, made.ref) == made


@pytest.mark.parametrize("lane", ["_lane", "_lease_lane"])
async def test_t3_no_request_waits_for_ever(
    link: Proxy, client: Client, maps: Maps, lane: str
) -> None:
    transport = client._transport
    assert isinstance(transport, Transport)
    usual = getattr(transport, lane).deadlines.seconds
    setattr(transport, lane, replace(getattr(transport, lane), deadlines=Deadlines(0.1)))
    link.next(unanswered, lambda _: True)

    with pytest.raises(KubeError, match="none within"):
        await client.get(CONFIG_MAPS if lane == "_lane" else LEASES, maps.ref("a"))

    assert usual == (30.0 if lane == "_lane" else 5.0)
