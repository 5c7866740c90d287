"""Watches: what is asked for, where the next one begins, and when one counts as dead."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from tests import realserver
from tests.engine.maps import Maps, following
from tests.engine.proxy import Fault, Proxy, is_watch, refused, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

DENIED = says(403, '{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}')
BROKEN = says(500, '{"kind":"Status","status":"Failure","reason":"InternalError","code":500}')


async def test_r6_a_watch_asks_for_bookmarks_and_for_a_time_of_its_own(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        for number in range(8):
            link.drop()
            await maps.change("a", f"{number}!")
            await seen.until(await maps.state())

    watches = [each for each in link.queries if "watch" in each]
    seconds = [int(each["timeoutSeconds"]) for each in watches]
    assert len(seconds) > 8
    assert all(300 <= each < 600 for each in seconds)
    assert len(set(seconds)) > 3
    assert all(each["allowWatchBookmarks"] == "true" for each in watches)


async def test_r7_each_watch_begins_at_the_last_version_that_the_store_has(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    versions: list[str] = []
    async with following(client, maps) as seen:
        for number in range(4):
            await maps.change("a", f"{number}!")
            await seen.until(await maps.state())
            versions.append(seen.informer.version)
            link.drop()
            await link.until_asked(number + 2)

    assert [each["resourceVersion"] for each in link.watches[-4:]] == versions
    assert all(int(before) < int(after) for before, after in pairwise(versions))


async def test_r8_a_watch_that_the_server_ends_goes_on_without_a_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")
    link.watch_seconds = "1"

    async with following(client, maps) as seen:
        await link.until(lambda: len(link.watches) >= 2)
        version = seen.informer.version
        link.watch_seconds = ""
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert len(link.lists) == 1
    assert {each["resourceVersion"] for each in link.watches[:2]} == {version}


async def test_i5_a_deletion_moves_the_version_on(link: Proxy, client: Client, maps: Maps) -> None:
    await maps.create("a")
    made = await maps.create("b")

    async with following(client, maps) as seen:
        await maps.delete("b")
        await seen.until(await maps.state())
        version, told = seen.informer.version, seen.changes[-1]
        link.drop()
        await link.until(lambda: bool(link.watches))

    assert told == ("b", "1", None)
    assert int(version) > int(made.metadata.resource_version)
    assert link.watches[0]["resourceVersion"] == version


async def test_r9_r10_a_compaction_is_told_inside_the_stream_and_costs_one_list(
    layout: Layout, link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.change("a", "2")
        last = await maps.change("a", "3")
        await realserver.compact(layout, last.metadata.resource_version)
        link.restore()
        await seen.until(await maps.state())

    assert seen.changes == [("a", None, "1"), ("a", "1", "3")]
    assert len(link.lists) == 2


@pytest.mark.parametrize(
    ("fault", "lists"),
    [(refused, 1), (says(429, ""), 1), (BROKEN, 1), (DENIED, 2), (says(404, ""), 2)],
    ids=["refused", "429", "500", "403", "404"],
)
async def test_r10_only_what_a_new_watch_cannot_mend_costs_a_list(
    link: Proxy, client: Client, maps: Maps, fault: Fault, lists: int
) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        await link.until_streaming()
        link.next(fault, is_watch)
        link.drop()
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert len(link.lists) == lists


async def test_r10_server_errors_without_end_cost_a_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        await link.until_streaming()
        link.next(BROKEN, is_watch, times=6)
        link.drop()
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert len(link.lists) > 1


async def test_i2_what_is_told_of_an_object_are_states_that_it_had_in_their_order(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("a", "0")

    async with following(client, maps) as seen:
        for number in range(1, 100):
            await maps.change("a", str(number))
            if number % 20 == 0:
                link.drop()
        await seen.until(await maps.state())

    after = [int(value) for _, _, value in seen.changes if value is not None]
    before = [int(value) for _, value, _ in seen.changes if value is not None]
    assert after == sorted(set(after))
    assert before == after[:-1]
    assert after[-1] == 99
    assert len(link.lists) == 1
