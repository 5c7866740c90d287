"""What happens while nobody watches, in all the ways in which a server can forget it."""

from __future__ import annotations

import pytest

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from tests.engine.maps import Maps, following
from tests.engine.proxy import Proxy
from tests.realserver import compact

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_r7_what_was_missed_in_a_short_gap_is_told_without_a_list(
    link: Proxy, client: Client, maps: Maps
) -> None:
    await maps.create("kept")
    await maps.create("gone")

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.delete("gone")
        await maps.change("kept", "2")
        link.restore()
        await seen.until(await maps.state())
        told = seen.told

    assert told == {"kept": "2"}
    assert sum("sendInitialEvents" in each or "limit" in each for each in link.seen) == 1


async def test_r2_a_gap_that_etcd_has_compacted_costs_one_list_and_loses_nothing(
    layout: Layout, link: Proxy, client: Client, maps: Maps
) -> None:
    for name in ("kept", "gone", "again"):
        await maps.create(name)

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.delete("gone")
        await maps.delete("again")
        await maps.create("again", "9")
        last = await maps.change("kept", "2")
        await compact(layout, last.metadata.resource_version)
        link.restore()
        await seen.until(await maps.state())
        told, changes = seen.told, seen.changes[3:]

    assert told == {"kept": "2", "again": "9"}
    assert sorted(changes, key=str) == sorted(
        [("gone", "1", None), ("again", "1", None), ("again", None, "9"), ("kept", "1", "2")],
        key=str,
    )
    assert sum("sendInitialEvents" in each for each in link.seen) == 2
