"""A recorder of Events at work, and what it has sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from kaito.kube.client import Client
from kaito.kube.events import Recorder
from tests.unit.kube.apiserver import Api, Seen
from tests.unit.kube.builders import THINGS, FakeClock, Thing


@asynccontextmanager
async def recording(client: Client, *, clock: FakeClock | None = None) -> AsyncIterator[Recorder]:
    """A recorder at work."""
    recorder = Recorder(client, controller="test.io/things", instance="pod-1")
    recorder.clock = clock or FakeClock()
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def warn(recorder: Recorder, about: Thing, message: str = "it broke") -> None:
    """Record a warning."""
    recorder.event(about, THINGS, type="Warning", reason="Broken", message=message)


def sent(api: Api, method: str) -> list[Seen]:
    """The requests of one method."""
    return [each for each in api.seen if each.method == method]
