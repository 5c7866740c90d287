"""Events let other requests go first, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from kaito.kube import events
from kaito.kube.client import Client
from kaito.kube.objects import Ref
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import THINGS, thing
from tests.unit.kube.recorder import recording, sent, warn


async def test_an_event_leaves_when_the_last_request_is_answered(api: Api, client: Client) -> None:
    async with recording(client) as recorder:
        with client.quiet.broken():
            warn(recorder, thing("a", uid="u1", version=7))
            for _ in range(5):
                await client.get(THINGS, Ref("default", "a"))
            assert sent(api, "POST") == []

        await api.until(lambda: len(sent(api, "POST")) == 1)


async def test_an_event_does_not_wait_for_ever(
    api: Api, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PATIENCE_SECONDS", 0.01)

    async with recording(client) as recorder:
        with client.quiet.broken():
            warn(recorder, thing("a", uid="u1", version=7))
            await api.until(lambda: len(sent(api, "POST")) == 1)


async def test_a_request_that_fails_is_over_too(client: Client) -> None:
    async def fail() -> None:
        with client.quiet.broken():
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    async with asyncio.timeout(5):
        await client.quiet.wait(60)
