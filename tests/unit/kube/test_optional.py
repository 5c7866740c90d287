"""A resource that may be missing, and one that cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.deadlines import Deadlines
from kaito.kube.informer import Informer
from kaito.kube.reflector import Patience, Selection
from kaito.kube.transport import Transport
from tests.unit.kube.apiserver import Answer, Api, Json, refusal
from tests.unit.kube.builders import THINGS, FakeClock, Thing, path

GROUPS: Json = {
    "kind": "APIGroupList",
    "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}],
}
OTHERS: Json = {"kind": "APIResourceList", "resources": [{"name": "others"}]}
OURS: Json = {"kind": "APIResourceList", "resources": [{"name": "things"}]}


def says(body: Json) -> Answer:
    """An answer with that body."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return answer


def html(code: int) -> Answer:
    """What a proxy says in the server's place."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>no</html>", status=code)

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """A connection that is cut before the answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def hang(_: web.Request) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.Event().wait()
    raise web.HTTPNoContent


MISSING = refusal(404, "NotFound")
ABSENT = {
    "the group is unknown": [MISSING, MISSING, says(GROUPS)],
    "the group lacks the resource": [MISSING, says(OTHERS)],
}
UNKNOWN = {
    "the list is forbidden": [refusal(403, "Forbidden")],
    "discovery is forbidden": [MISSING, refusal(403, "Forbidden")],
    "discovery fails": [MISSING, refusal(500, "InternalError")],
    "a proxy answers for all": [html(404), html(404), html(404)],
    "the list of groups fails": [MISSING, MISSING, refusal(503, "ServiceUnavailable")],
    "discovery has the resource": [MISSING, says(OURS)],
    "the list is cut off twice": [reset, reset],
    "discovery is cut off twice": [MISSING, reset, reset],
    "the list of groups is something else": [MISSING, MISSING, says({"kind": "Status"})],
}
UNANSWERED = {
    "the list": [hang],
    "discovery": [MISSING, hang],
    "the list of groups": [MISSING, MISSING, hang],
}


class TellingBackoff(Backoff):
    """Says that there was a failure."""

    def __init__(self, *, first_seconds: float) -> None:
        super().__init__(first_seconds=first_seconds, cap_seconds=60)
        self.failed = asyncio.Event()

    def delay(self, now: float, *, floor_seconds: float = 0.0) -> float:
        """As ever."""
        self.failed.set()
        return super().delay(now, floor_seconds=floor_seconds)


async def failed(informer: Informer[Thing]) -> str:
    """Wait for the first failure; what the informer says of it."""
    backoff = informer.patience.backoff
    assert isinstance(backoff, TellingBackoff)
    async with asyncio.timeout(30):
        await backoff.failed.wait()
    return informer.trouble


@asynccontextmanager
async def running(
    client: Client,
    *,
    optional: bool = True,
    backoff_seconds: float = 0.001,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[Informer[Thing]]:
    """An informer of a resource that may be missing."""
    informer = Informer(client, THINGS, selection=Selection(optional=optional))
    backoff = TellingBackoff(first_seconds=backoff_seconds)
    informer.patience = Patience(absent_seconds=0.01, backoff=backoff, clock=clock)
    task = asyncio.create_task(informer.run())
    try:
        yield informer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def said(what: str) -> float | None:
    """A sample of the resource's informer."""
    return REGISTRY.get_sample_value(f"kaito_informer_{what}", {"resource": "things"})


async def synced(informer: Informer[Thing]) -> None:
    """Wait for the first list."""
    async with asyncio.timeout(30):
        await informer.synced.wait()


@pytest.mark.parametrize("answers", ABSENT.values(), ids=ABSENT)
async def test_r19_a_missing_optional_resource_is_synced_and_empty(
    api: Api, client: Client, answers: list[Answer]
) -> None:
    api.instead.extend(answers)

    async with running(client) as informer:
        await synced(informer)
        known, trouble = informer.store.list(), informer.trouble

    assert (known, trouble) == ((), "")


@pytest.mark.parametrize("answers", ABSENT.values(), ids=ABSENT)
async def test_what_discovery_says_is_missing_has_been_heard_of(
    api: Api, client: Client, answers: list[Answer]
) -> None:
    clock = FakeClock()

    async def late(request: web.Request) -> web.StreamResponse:
        clock.advance(1000)
        return await answers[0](request)

    api.instead.extend([late, *answers[1:]])

    async with running(client, clock=clock) as informer:
        await synced(informer)
        age, heard = said("age_seconds"), said("heard_timestamp_seconds")

    assert (age, heard) == (0, clock.now().timestamp())


@pytest.mark.parametrize("answers", ABSENT.values(), ids=ABSENT)
async def test_r19_it_is_listed_as_soon_as_it_appears(
    api: Api, client: Client, answers: list[Answer]
) -> None:
    api.put(path("a"), spec={})
    api.instead.extend(answers * 3)

    async with running(client) as informer:
        await api.until_watched(1)
        known = [each.metadata.name for each in informer.store.list()]

    assert known == ["a"]


@pytest.mark.parametrize("answers", UNKNOWN.values(), ids=UNKNOWN)
async def test_r19_what_is_not_discoverys_word_counts_as_failure(
    api: Api, client: Client, answers: list[Answer]
) -> None:
    api.instead.extend(answers)

    async with running(client, backoff_seconds=60) as informer:
        trouble = await failed(informer)
        is_synced = informer.synced.is_set()

    assert not is_synced
    assert trouble not in {"", "no list yet"}
    assert not api.instead


@pytest.mark.parametrize("answers", UNANSWERED.values(), ids=UNANSWERED)
async def test_r19_no_answer_counts_as_failure(
    api: Api, client: Client, answers: list[Answer]
) -> None:
    api.instead.extend(answers)
    transport = client._transport
    assert isinstance(transport, Transport)
    transport._lane = replace(transport._lane, deadlines=Deadlines(0.5))

    async with running(client, backoff_seconds=60) as informer:
        trouble = await failed(informer)
        is_synced = informer.synced.is_set()

    assert not is_synced
    assert "none within" in trouble
    assert not api.instead


async def test_r19_a_resource_that_goes_away_takes_its_objects_along(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec={})

    async with running(client) as informer:
        gone = asyncio.Event()
        informer.on_change(lambda _, new: gone.set() if new is None else None)
        await api.until_watched(1)
        api.instead_of_watch.append(MISSING)
        api.instead.extend(ABSENT["the group lacks the resource"] * 1000)
        api.end_watches()
        async with asyncio.timeout(30):
            await gone.wait()
        known, trouble = informer.store.list(), informer.trouble

    assert (known, trouble) == ((), "")


async def test_r19_a_resource_that_is_not_optional_is_never_taken_for_empty(
    api: Api, client: Client
) -> None:
    api.instead.append(MISSING)

    async with running(client, optional=False, backoff_seconds=60) as informer:
        await failed(informer)
        is_synced = informer.synced.is_set()

    assert not is_synced
    assert len(api.lists) == 1


async def test_r19_an_informer_that_cannot_list_says_why_and_recovers(
    api: Api, client: Client
) -> None:
    api.instead.append(refusal(403, "Forbidden"))

    async with running(client, backoff_seconds=0.05) as informer:
        trouble = await failed(informer)
        await synced(informer)
        after = informer.trouble

    assert trouble.startswith("403 Forbidden")
    assert after == ""
