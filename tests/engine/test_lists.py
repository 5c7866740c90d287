"""Whole collections: which state they show, in which pieces they come, who sees the pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.informer import Informer
from kaito.kube.objects import Ref
from kaito.kube.reflector import Selection
from tests import realserver
from tests.engine.maps import CONFIG_MAPS, Maps, following, running, values
from tests.engine.proxy import Proxy, after, is_further_page, is_streamed_list, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CROWD_COUNT = 3000
ENDLESS = 10**6
UNKNOWN = says(422, '{"kind":"Status","status":"Failure","reason":"Invalid","code":422}')
"""What a server answers that knows no streamed lists."""
BROKEN = says(500, '{"kind":"Status","status":"Failure","reason":"InternalError","code":500}')


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(layout: Layout) -> AsyncIterator[Maps]:
    """Three thousand objects, to look at only."""
    direct = await realserver.connect(layout, "others")
    crowd = Maps(direct, "zz-crowd")
    await asyncio.gather(*(crowd.create(f"{number:04}") for number in range(CROWD_COUNT)))
    yield crowd
    await direct.close()


def read_in_pages(link: Proxy) -> None:
    """Let the server be an older one."""
    link.next(UNKNOWN, is_streamed_list, ENDLESS)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "in pages"])
async def test_r1_the_first_list_is_of_the_present(
    link: Proxy, client: Client, maps: Maps, *, streamed: bool
) -> None:
    if not streamed:
        read_in_pages(link)
    await maps.create("a")
    last = await maps.change("a", "2")

    async with following(client, maps) as seen:
        state, version = seen.state, seen.informer.version

    assert state == await maps.state()
    assert int(version) >= int(last.metadata.resource_version)
    assert all("resourceVersion" not in each for each in link.lists)
    assert len(link.lists) == (1 if streamed else 2)


async def test_r3_three_thousand_objects_come_in_six_pages(
    link: Proxy, client: Client, crowd: Maps
) -> None:
    listed = await client.list(CONFIG_MAPS, namespace="default", labels=crowd.labels)

    first, *further = link.queries
    assert len(values(listed)) == CROWD_COUNT
    assert first == {"labelSelector": crowd.labels, "limit": "500"}
    assert len(further) == 5
    assert all(set(each) == {"labelSelector", "limit", "continue"} for each in further)


async def test_r3_a_list_at_a_version_is_asked_for_whole(
    link: Proxy, client: Client, crowd: Maps
) -> None:
    last = await crowd.change("0001", "2")
    params = {
        "labelSelector": crowd.labels,
        "resourceVersion": last.metadata.resource_version,
        "resourceVersionMatch": "NotOlderThan",
    }

    listing = await client.listing(CONFIG_MAPS, namespace="default", params=params)

    assert len(listing.items) == CROWD_COUNT
    assert link.queries == [params]


async def test_r4_a_version_that_is_compacted_between_pages_costs_one_whole_list(
    layout: Layout, link: Proxy, client: Client, crowd: Maps
) -> None:
    async def forget() -> None:
        last = await crowd.change("0000", "2")
        await realserver.compact(layout, last.metadata.resource_version)

    link.next(after(forget), is_further_page)
    listed = await client.list(CONFIG_MAPS, namespace="default", labels=crowd.labels)

    assert len(listed) == CROWD_COUNT
    assert values(listed) == await crowd.state()
    assert [("limit" in each, "continue" in each) for each in link.queries] == [
        (True, False),
        (True, True),
        (False, False),
    ]


async def test_r5_nobody_sees_a_list_of_which_a_page_is_missing(
    link: Proxy, client: Client, crowd: Maps
) -> None:
    sizes: list[int] = []
    informer = Informer(client, CONFIG_MAPS, selection=Selection("default", crowd.labels))

    async def look() -> None:
        sizes.append(len(informer.store))

    read_in_pages(link)
    for _ in range(3):
        link.next(after(look), is_further_page)
    link.next(BROKEN, is_further_page)
    async with running(informer) as seen:
        await seen.until_synced()

    assert sizes == [0, 0, 0]
    assert len(informer.store) == CROWD_COUNT
    assert ["limit" in each for each in link.lists] == [False, True, False, True]


async def test_r5_a_new_list_replaces_the_old_one_in_one_step(
    layout: Layout, link: Proxy, client: Client, maps: Maps
) -> None:
    read_in_pages(link)
    for name in ("a", "b"):
        await maps.create(name)

    async with following(client, maps) as seen:
        states: list[Mapping[str, str]] = []
        seen.informer.on_change(lambda _old, new: states.append(seen.state) if new else None)
        states.clear()
        link.cut_off()
        for name in ("a", "b"):
            await maps.delete(name)
        last = [await maps.create(name) for name in ("c", "d")][-1]
        await realserver.compact(layout, last.metadata.resource_version)
        link.restore()
        await seen.until(await maps.state())

    assert states == [await maps.state()] * 2


async def test_r13_r15_three_thousand_objects_are_streamed_in_one_answer(
    link: Proxy, client: Client, crowd: Maps
) -> None:
    async with following(client, crowd) as seen:
        await crowd.change("1000", "3")
        await seen.until(await crowd.state())

    assert len(link.seen) == 1
    assert link.queries[0]["sendInitialEvents"] == "true"


async def test_r18_a_selector_keeps_what_is_not_ours_out_of_the_store(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("ours")
    await maps.create("leaves")
    others = Maps(maps.client, f"{maps.group}-not")
    await others.create("theirs")

    async with following(client, maps) as seen:
        await others.change("theirs", "2")
        await maps.client.merge_patch(
            CONFIG_MAPS, maps.ref("leaves"), {"metadata": {"labels": None}}
        )
        await maps.change("ours", "2")
        await seen.until(await maps.state())
        state = seen.state

    assert [name.rpartition("-")[2] for name in state] == ["ours"]
    assert all(each["labelSelector"] == maps.labels for each in link.queries)


async def test_r18_one_object_is_followed_by_its_name(
    link: Proxy, client: Client, maps: Maps
) -> None:
    for name in ("this", "that"):
        await maps.create(name)
    fields = f"metadata.name={maps.ref('this').name}"
    informer = Informer(client, CONFIG_MAPS, selection=Selection("default", fields=fields))

    async with running(informer) as seen:
        await seen.until_synced()
        await maps.change("that", "2")
        await maps.change("this", "2")
        await seen.until({maps.ref("this").name: "2"})

    assert [name for name, _, _ in seen.changes] == ["this", "this"]


async def test_i10_a_store_keeps_only_the_fields_that_are_read(client: Client, maps: Maps) -> None:
    await maps.create("a")
    path = CONFIG_MAPS.path(maps.ref("a"))
    sent = await maps.client.request("GET", path)
    assert isinstance(sent, dict)
    assert "managedFields" in sent["metadata"]

    async with following(client, maps) as seen:
        kept = seen.informer.store.get(Ref("default", maps.ref("a").name))

    assert kept is not None
    assert "managed" not in str(kept.model_dump()).lower()
    assert kept.data == {"value": "1"}
