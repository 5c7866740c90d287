"""Events on a real server: what it accepts, what becomes of repetitions, and of lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.events import EVENTS, Recorder
from kaito.kube.objects import ObjectMeta
from tests.engine.maps import CONFIG_MAPS, ConfigMap, Maps
from tests.engine.proxy import Proxy, is_method, lost

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="session")
async def recorder(client: Client) -> AsyncIterator[Recorder]:
    """A recorder at work."""
    recorder = Recorder(client, controller="kaito.sh/test", instance="pod-1")
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def stored(maps: Maps, uid: str) -> list[Any]:
    """The Events about an object, as the server has them."""
    found: Any = await maps.client.request(
        "GET", EVENTS.path(namespace="default"), params={"fieldSelector": f"regarding.uid={uid}"}
    )
    return [each for each in found["items"] if each["regarding"]["uid"] == uid]


def warn(recorder: Recorder, about: ConfigMap, message: str = "it broke") -> None:
    """Record a warning."""
    recorder.event(about, CONFIG_MAPS, type="Warning", reason="Broken", message=message)


async def test_e5_the_server_takes_an_event_as_it_is_written(
    link: Proxy, recorder: Recorder, maps: Maps
) -> None:
    about = await maps.create("a")

    warn(recorder, about, "x" * 3000)
    await link.until_answered(1)
    (event,) = await stored(maps, about.metadata.uid)

    assert event["reportingController"] == "kaito.sh/test"
    assert event["reportingInstance"] == "pod-1"
    assert event["action"] == "Reconcile"
    assert event["note"] == "x" * 1024
    assert event["regarding"]["name"] == about.metadata.name
    assert "series" not in event


async def test_e1_a_repetition_is_counted_on_the_stored_event(
    link: Proxy, recorder: Recorder, maps: Maps
) -> None:
    about = await maps.create("a")

    for _ in range(3):
        warn(recorder, about)
    await link.until_answered(3)
    (event,) = await stored(maps, about.metadata.uid)

    assert event["series"]["count"] == 3


async def test_e1_an_event_whose_answer_was_lost_is_there_once(
    link: Proxy, recorder: Recorder, client: Client, maps: Maps
) -> None:
    about = await maps.create("a")
    link.next(lost, is_method("POST"))

    warn(recorder, about)
    await link.until_answered(1)
    again = Recorder(client, controller="kaito.sh/test", instance="pod-1")
    task = asyncio.create_task(again.run())
    warn(again, about)
    await link.until_answered(4)
    task.cancel()

    assert len(await stored(maps, about.metadata.uid)) == 1


async def test_e6_an_event_about_what_has_no_namespace_is_in_default(
    link: Proxy, recorder: Recorder, maps: Maps
) -> None:
    about = Machine(metadata=ObjectMeta(name=maps.group, uid=maps.group))

    recorder.event(about, MACHINES, type="Normal", reason="Seen", message="here")
    await link.until_answered(1)
    (event,) = await stored(maps, maps.group)

    assert event["metadata"]["namespace"] == "default"
    assert event["regarding"]["kind"] == "Machine"


async def test_e2_many_messages_of_one_reason_become_one_event(
    link: Proxy, recorder: Recorder, maps: Maps
) -> None:
    about = await maps.create("a")

    for number in range(20):
        warn(recorder, about, f"it broke {number} times")
    await link.until_answered(20)
    found = await stored(maps, about.metadata.uid)

    combined = [each for each in found if "combined" in each["note"]]
    assert len(found) == 10
    assert [each["series"]["count"] for each in combined] == [11]


async def test_e3_one_object_cannot_flood_the_server(
    link: Proxy, recorder: Recorder, maps: Maps
) -> None:
    loud, quiet = await maps.create("loud"), await maps.create("quiet")

    for _ in range(100):
        warn(recorder, loud)
    warn(recorder, quiet)
    await link.until_answered(26)

    (event,) = await stored(maps, loud.metadata.uid)
    assert event["series"]["count"] == 25
    assert len(await stored(maps, quiet.metadata.uid)) == 1
