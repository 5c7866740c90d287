"""List and watch against faults of the server and of the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from tests.unit.kube.apiserver import Api, Json, line, refusal, status
from tests.unit.kube.builders import Follower, follower, path, ref


@asynccontextmanager
async def running(client: Client, *, idle_seconds: float = 5.0) -> AsyncIterator[Follower]:
    """A follower whose informer runs."""
    each = follower(client, idle_seconds=idle_seconds)
    task = asyncio.create_task(each.informer.run())
    try:
        yield each
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def sized(size: int) -> Json:
    """The spec of a Thing."""
    return {"size": size}


async def test_what_exists_is_told_and_then_what_changes(api: Api, client: Client) -> None:
    api.put(path("a"), spec=sized(1))

    async with running(client) as seen:
        first = await seen.change()
        await api.until_watched(1)
        api.put(path("a"), spec=sized(2))
        second = await seen.change()
        api.remove(path("a"))
        third = await seen.change()

    assert [first, second, third] == [("a", None, 1), ("a", 1, 2), ("a", 2, None)]
    assert len(api.lists) == 1


async def test_r8_a_watch_that_ends_goes_on_at_the_last_version_without_a_list(
    api: Api, client: Client
) -> None:
    async with running(client) as seen:
        await api.until_watched(1)
        api.put(path("a"), spec=sized(1))
        await seen.change()
        last = api.version
        api.end_watches()
        await api.until_watched(2)
        api.put(path("a"), spec=sized(2))
        await seen.change()

    assert len(api.lists) == 1
    assert api.watches[1].query["resourceVersion"] == str(last)


async def test_r7_a_bookmark_moves_the_version_on(api: Api, client: Client) -> None:
    async with running(client):
        await api.until_watched(1)
        api.say(line("BOOKMARK", {"metadata": {"resourceVersion": "77"}}))
        api.end_watches()
        await api.until_watched(2)

    assert api.watches[1].query["resourceVersion"] == "77"


async def test_r9_r10_i3_a_410_event_costs_one_list_and_tells_what_was_missed(
    api: Api, client: Client
) -> None:
    api.put(path("kept"), spec=sized(1))
    api.put(path("lost"), spec=sized(1))

    async with running(client) as seen:
        first = {await seen.change(), await seen.change()}
        await api.until_watched(1)
        # The server restarts, forgets, and things happen in the gap.
        api.instead_of_watch.append(refusal(503, "ServiceUnavailable"))
        api.end_watches()
        await api.until(lambda: len(api.watches) == 2)
        api.remove(path("lost"))
        api.put(path("new"), spec=sized(3))
        api.compact()
        gap = {await seen.change(), await seen.change()}

    assert first == {("kept", None, 1), ("lost", None, 1)}
    assert gap == {("lost", 1, None), ("new", None, 3)}
    assert len(api.lists) == 2


async def test_r9_r10_a_410_answer_to_the_watch_costs_one_list(api: Api, client: Client) -> None:
    api.instead_of_watch.append(refusal(410, "Expired"))

    async with running(client) as seen:
        await api.until_watched(2)
        api.put(path("a"), spec=sized(1))
        await seen.change()

    assert len(api.lists) == 2


async def test_r10_throttling_and_outages_of_the_watch_cost_no_list(
    api: Api, client: Client
) -> None:
    api.instead_of_watch.append(refusal(429, "TooManyRequests"))
    api.instead_of_watch.append(refusal(503, "ServiceUnavailable"))

    async with running(client) as seen:
        await api.until_watched(3)
        api.put(path("a"), spec=sized(1))
        await seen.change()

    assert len(api.lists) == 1


async def test_r10_an_error_event_of_another_kind_costs_a_list(api: Api, client: Client) -> None:
    async with running(client) as seen:
        await api.until_watched(1)
        api.say(line("ERROR", status(403, "Forbidden")))
        await api.until_watched(2)
        api.put(path("a"), spec=sized(1))
        await seen.change()

    assert len(api.lists) == 2


async def test_r9_html_in_a_watch_is_no_event(api: Api, client: Client) -> None:
    async def proxy(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>\nbad gateway\n</html>\n")

    api.instead_of_watch.append(proxy)

    async with running(client) as seen:
        await api.until_watched(2)
        api.put(path("a"), spec=sized(1))
        change = await seen.change()

    assert change == ("a", None, 1)


async def test_r12_a_watch_that_falls_silent_is_given_up(api: Api, client: Client) -> None:
    async with running(client, idle_seconds=0.05):
        await api.until_watched(2)

    assert len(api.lists) == 1


async def test_r8_a_server_that_closes_at_once_is_not_asked_in_a_hot_loop(
    api: Api, client: Client
) -> None:
    async def closing(request: web.Request) -> web.StreamResponse:
        return web.Response(text="")

    api.instead_of_watch.extend([closing] * 3)
    each = follower(client)
    counting = each.informer.patience.backoff = CountingBackoff()
    task = asyncio.create_task(each.informer.run())
    await api.until_watched(4)
    task.cancel()

    assert counting.count == 3


class CountingBackoff(Backoff):
    """Counts the delays, and makes them short."""

    count = 0

    def delay(self, now: float, *, floor_seconds: float = 0.0) -> float:
        """No time at all."""
        self.count += 1
        return 0.0


async def test_an_object_that_does_not_fit_is_skipped_and_the_rest_is_there(
    api: Api, client: Client
) -> None:
    api.put(path("bad"), spec="not an object")
    api.put(path("good"), spec=sized(1))

    async with running(client) as seen:
        await seen.informer.synced.wait()
        await api.until_watched(1)
        api.put(path("bad2"), spec="not an object")
        api.put(path("good"), spec=sized(2))
        changes = [await seen.change(), await seen.change()]

    assert changes == [("good", None, 1), ("good", 1, 2)]


async def test_an_object_that_no_longer_fits_keeps_its_last_state_over_a_list(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec=sized(1))

    async with running(client) as seen:
        await seen.change()
        await api.until_watched(1)
        api.put(path("a"), spec="not an object")
        api.instead_of_watch.append(refusal(410, "Expired"))
        api.end_watches()
        await api.until_watched(3)
        kept = seen.informer.store.get(ref("a"))
        api.remove(path("a"))
        gone = await seen.change()

    assert kept is not None
    assert kept.spec.size == 1
    assert gone == ("a", 1, None)


async def test_i4_delete_and_create_in_a_gap_are_seen_as_both(api: Api, client: Client) -> None:
    api.put(path("a"), spec=sized(1))

    async with running(client) as seen:
        await seen.change()
        await api.until_watched(1)
        api.remove(path("a"))
        api.server.history.clear()
        api.put(path("a"), spec=sized(9))
        changes = [await seen.change(), await seen.change()]

    assert changes == [("a", 1, None), ("a", None, 9)]


async def test_r19_a_list_that_is_refused_at_first_is_tried_again(api: Api, client: Client) -> None:
    api.instead.append(refusal(404, "NotFound"))
    api.instead.append(refusal(403, "Forbidden"))
    api.put(path("a"), spec=sized(1))

    async with running(client) as seen:
        change = await seen.change()

    assert change == ("a", None, 1)


async def test_an_error_event_without_sense_does_not_end_the_informer(
    api: Api, client: Client
) -> None:
    async with running(client) as seen:
        await api.until_watched(1)
        api.say(line("ERROR", {"code": "what", "details": 7}))
        await api.until_watched(2)
        api.say(line("MODIFIED", {"metadata": None}))
        api.put(path("a"), spec=sized(1))
        change = await seen.change()

    assert change == ("a", None, 1)
