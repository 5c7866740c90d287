"""The API in memory over HTTP: what a benchmark asks it for comes true, and only for one door."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio

from tests.virtual.api import Api
from tests.virtual.served import served

WIDGETS = "/apis/bench.example/v1/namespaces/bench/widgets"


class Visitor:
    """Whoever comes to one of the two doors."""

    def __init__(self, session: aiohttp.ClientSession, front: str, back: str) -> None:
        self._session = session
        self._watches: list[aiohttp.ClientResponse] = []
        self.front = front
        self.back = back

    async def order(self, name: str, **arguments: object) -> Any:
        """Have something done."""
        async with self._session.post(f"{self.back}/local/{name}", json=arguments) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def get(self, url: str) -> tuple[int, Any]:
        """Status and body of an answer."""
        async with self._session.get(url) as answer:
            return answer.status, await answer.json(content_type=None)

    async def merge(self, path: str, patch: object) -> None:
        """Patch an object, by the back door."""
        headers = {"Content-Type": "application/merge-patch+json"}
        url = self.back + path
        async with self._session.patch(url, data=json.dumps(patch), headers=headers) as answer:
            answer.raise_for_status()

    async def watch(self) -> aiohttp.ClientResponse:
        """Watch from now on, by the front door."""
        version = (await self.get(self.back + WIDGETS))[1]["metadata"]["resourceVersion"]
        query = f"watch=true&resourceVersion={version}"
        watch = await self._session.get(f"{self.front}{WIDGETS}?{query}")
        self._watches.append(watch)
        return watch

    def leave(self) -> None:
        """Watch no more."""
        for watch in self._watches:
            watch.close()


@pytest_asyncio.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """At the doors of a server with three widgets."""
    async with served(Api()) as (front, back), aiohttp.ClientSession() as session:
        found = Visitor(session, front, back)
        await found.order("load", path=WIDGETS, count=3, template={"spec": {"parts": [1]}})
        yield found
        found.leave()


async def event(watch: aiohttp.ClientResponse) -> Any:
    async with asyncio.timeout(30):
        return json.loads(await watch.content.readline())


async def test_loaded_objects_have_names_in_a_row(visitor: Visitor) -> None:
    _, listed = await visitor.get(visitor.front + WIDGETS)

    names = [item["metadata"]["name"] for item in listed["items"]]
    assert names == ["w-00000", "w-00001", "w-00002"]


async def test_a_dropped_watch_ends_with_its_connection(visitor: Visitor) -> None:
    watch = await visitor.watch()

    await visitor.order("drop")

    async with asyncio.timeout(30):
        try:
            rest = await watch.content.read()
        except aiohttp.ClientError:
            rest = b""
    assert rest == b""


async def test_a_frozen_watch_is_open_and_misses_what_happens(visitor: Visitor) -> None:
    frozen = await visitor.watch()
    await visitor.order("freeze")
    later = await visitor.watch()

    await visitor.merge(f"{WIDGETS}/w-00001", {"spec": {"parts": [2]}})

    assert (await event(later))["object"]["metadata"]["name"] == "w-00001"
    assert not frozen.content.at_eof()
    assert frozen.content.total_bytes == 0


async def test_an_expired_watch_is_told_so_and_its_version_is_gone(visitor: Visitor) -> None:
    watch = await visitor.watch()
    await visitor.order("freeze")
    await visitor.merge(f"{WIDGETS}/w-00001", {"spec": {"parts": [2]}})

    await visitor.order("expire")

    told = await event(watch)
    again = await visitor.get(f"{visitor.front}{WIDGETS}?watch=true&resourceVersion=101")
    assert (told["type"], told["object"]["code"]) == ("ERROR", 410)
    assert again[1]["object"]["code"] == 410


async def test_refusals_meet_the_front_door_alone(visitor: Visitor) -> None:
    await visitor.order("refuse", code=429, rate=1.0)

    front, told = await visitor.get(visitor.front + WIDGETS)
    back, _ = await visitor.get(visitor.back + WIDGETS)

    assert (front, told["reason"]) == (429, "TooManyRequests")
    assert back == 200


async def test_the_tally_counts_statuses_of_the_present_generation(visitor: Visitor) -> None:
    for name in ("w-00000", "w-00001"):
        await visitor.merge(f"{WIDGETS}/{name}/status", {"status": {"observedGeneration": 1}})
    before = await visitor.order("tally", plural="widgets")

    await visitor.merge(f"{WIDGETS}/w-00001", {"spec": {"parts": [2]}})

    after = await visitor.order("tally", plural="widgets")
    assert (before["count"], after["count"]) == (2, 1)
    assert after["at"] <= before["at"]


async def test_a_reaction_lasts_from_the_change_to_its_status(visitor: Visitor) -> None:
    await visitor.merge(f"{WIDGETS}/w-00000/status", {"status": {"observedGeneration": 1}})
    first = await visitor.order("reactions", plural="widgets")
    began = time.monotonic()
    await visitor.merge(f"{WIDGETS}/w-00001", {"spec": {"parts": [2]}})
    await visitor.merge(f"{WIDGETS}/w-00001/status", {"status": {"observedGeneration": 2}})
    await visitor.merge(f"{WIDGETS}/w-00001/status", {"status": {"total": 2}})

    second = await visitor.order("reactions", plural="widgets")

    assert [len(told["seconds"]) for told in (first, second)] == [1, 1]
    assert 0 < second["seconds"][0] < time.monotonic() - began


async def test_what_is_served_can_be_discovered(visitor: Visitor) -> None:
    _, groups = await visitor.get(f"{visitor.front}/apis")
    _, resources = await visitor.get(f"{visitor.front}/apis/bench.example/v1")

    assert "bench.example" in {group["name"] for group in groups["groups"]}
    assert {each["name"] for each in resources["resources"]} == {"widgets", "widgets/status"}
