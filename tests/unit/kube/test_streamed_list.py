"""Lists that arrive as the beginning of a watch, and what happens where they cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress

import pytest
import structlog
from aiohttp import web

from kaito.kube.client import Client
from tests.unit.kube.apiserver import Answer, Api, initial_end, line, refusal, status
from tests.unit.kube.builders import Follower, follower, path, ref


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[Follower]:
    """A follower whose informer runs."""
    each = follower(client)
    task = asyncio.create_task(each.informer.run())
    try:
        yield each
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def sends(*raw: bytes) -> Answer:
    """A stream that says this and ends."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"".join(raw))

    return answer


def item(name: str, version: int, size: int = 1) -> dict[str, object]:
    """A Thing in wire form."""
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"size": size}}


async def test_r13_list_and_changes_come_on_one_connection(api: Api, client: Client) -> None:
    api.streams_lists = True
    api.put(path("a"), spec={"size": 1})
    api.put(path("b"), spec={"size": 1})

    async with running(client) as seen:
        first = {await seen.change(), await seen.change()}
        version = seen.informer.version
        api.put(path("a"), spec={"size": 2})
        then = await seen.change()

    assert first == {("a", None, 1), ("b", None, 1)}
    assert (version, then) == ("3", ("a", 1, 2))
    assert [dict(each.query).get("sendInitialEvents") for each in api.seen] == ["true"]
    assert api.seen[0].query["resourceVersionMatch"] == "NotOlderThan"
    assert api.seen[0].query["allowWatchBookmarks"] == "true"
    assert "resourceVersion" not in api.seen[0].query


async def test_r13_nobody_sees_a_list_before_it_is_whole(api: Api, client: Client) -> None:
    api.streams_lists = True
    may_end, sent = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", item("b", 7)) + line("ADDED", item("gone", 3)))
        await response.write(line("MODIFIED", item("b", 8, size=2)))
        await response.write(line("DELETED", item("gone", 9)))
        sent.set()
        await may_end.wait()
        await response.write(initial_end(12))
        await asyncio.Event().wait()
        return response

    api.instead_of_watch.append(slowly)
    async with running(client) as seen:
        async with asyncio.timeout(30):
            await sent.wait()
        early = (seen.informer.store.list(), seen.informer.version, seen.informer.synced.is_set())
        may_end.set()
        change = await seen.change()
        late = (len(seen.informer.store), seen.informer.version)

    assert early == ((), "", False)
    assert (change, late) == (("b", None, 2), (1, "12"))


@pytest.mark.parametrize(
    "refused",
    [refusal(422, "Invalid"), refusal(400, "BadRequest"), refusal(404, "NotFound")],
    ids=["422", "400", "404"],
)
async def test_r14_a_server_that_does_not_know_it_is_asked_for_pages(
    api: Api, client: Client, refused: Answer
) -> None:
    api.streams_lists = True
    api.instead_of_watch.append(refused)
    api.put(path("a"), spec={"size": 1})

    async with running(client) as seen:
        change = await seen.change()
        await api.until(lambda: len(api.watches) == 2)

    assert change == ("a", None, 1)
    assert len(api.lists) == 1
    assert "sendInitialEvents" not in api.watches[1].query


async def test_r14_pages_are_for_one_round_only(api: Api, client: Client) -> None:
    api.streams_lists = True
    api.instead_of_watch.append(refusal(422, "Invalid"))
    api.instead_of_watch.append(refusal(410, "Expired"))

    async with running(client):
        await api.until(lambda: len(api.watches) == 3)

    streamed = ["sendInitialEvents" in each.query for each in api.watches]
    assert streamed == [True, False, True]


async def test_r14_throttling_is_waited_for_and_asked_again(api: Api, client: Client) -> None:
    api.streams_lists = True
    api.instead_of_watch.append(refusal(429, "TooManyRequests"))
    api.put(path("a"), spec={"size": 1})

    async with running(client) as seen:
        await seen.change()

    assert [("sendInitialEvents" in each.query) for each in api.watches] == [True, True]
    assert api.lists == []


@pytest.mark.parametrize(
    "last",
    [b"", b'{"type": "ADDED", "obj', b"<html>\n", line("ERROR", status(500, "InternalError"))],
    ids=["ends", "cut line", "html", "error"],
)
async def test_r14_a_list_that_is_cut_short_is_thrown_away(
    api: Api, client: Client, last: bytes
) -> None:
    api.streams_lists = True
    api.instead_of_watch.append(sends(line("ADDED", item("ghost", 1)), last))
    api.put(path("a"), spec={"size": 1})

    async with running(client) as seen:
        change = await seen.change()
        ghost = seen.informer.store.get(ref("ghost"))

    assert (change, ghost) == (("a", None, 1), None)


async def test_r7_synthetic_events_do_not_move_the_version(api: Api, client: Client) -> None:
    api.streams_lists = True
    api.instead_of_watch.append(
        sends(line("ADDED", item("b", 900)), line("ADDED", item("a", 5)), initial_end(901))
    )

    async with running(client):
        await api.until(lambda: len(api.watches) == 2)

    assert api.watches[1].query["resourceVersion"] == "901"


async def test_a_streamed_object_that_does_not_fit_keeps_its_last_state(
    api: Api, client: Client
) -> None:
    api.streams_lists = True
    api.put(path("a"), spec={"size": 1})

    async with running(client) as seen:
        await seen.change()
        api.put(path("a"), spec="not an object")
        api.put(path("b"), spec={"size": 1})
        api.instead_of_watch.append(refusal(410, "Expired"))
        api.end_watches()
        await api.until(lambda: len(api.watches) == 3)
        await seen.change()
        kept = seen.informer.store.get(ref("a"))

    assert kept is not None
    assert kept.spec.size == 1


async def test_r13_a_list_without_an_end_is_warned_about_again_and_again(
    api: Api, client: Client
) -> None:
    api.streams_lists = True
    told: asyncio.Queue[object] = asyncio.Queue()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", item("b", 7)))
        await asyncio.Event().wait()
        return response

    def hear(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
        if event["event"] == "informer.unfinished":
            told.put_nowait(event["count"])
        return event

    api.instead_of_watch.append(endless)
    each = follower(client)
    each.informer.patience.reminder_seconds = 0.01
    with structlog.testing.capture_logs(processors=[hear]):
        task = asyncio.create_task(each.informer.run())
        async with asyncio.timeout(30):
            heard = [await told.get() for _ in range(3)]
            while heard[-1] != 1:
                heard.append(await told.get())
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert not each.informer.synced.is_set()
