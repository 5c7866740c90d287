"""What the engine does with its time: in virtual time, on a wire that is written by hand."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from kaito.kube.client import Client
from kaito.kube.errors import NotFound, Unavailable
from kaito.kube.events import Recorder
from kaito.kube.informer import Informer
from kaito.kube.lease import Elector
from kaito.kube.objects import Ref
from kaito.kube.token import RotatingToken
from kaito.kube.transport import Call
from tests.unit.kube.builders import THINGS, FakeClock, thing
from tests.virtual.loop import Timeline, VirtualClock

HOUR = 3600.0
REF = Ref("default", "lease")


def told(type: str, **metadata: object) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": type, "object": {"metadata": metadata}}).encode()


class Wire:
    """Notes what is asked, and when; a watch says that all is quiet.

    Attributes:
        asked: moments and calls.
        limits: what each watch was allowed: seconds of silence, seconds in all.
        refuses: whether a call fails with 503.
        hangs: whether a call is never answered.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[float, Call]] = []
        self.limits: list[tuple[float, float]] = []
        self.refuses: Callable[[Call], bool] = lambda _: False
        self.hangs = False
        self.lease: dict[str, Any] | None = None

    async def send(self, call: Call) -> bytes:
        """Leases are kept; there is nothing else."""
        await self._note(call)
        if call.method == "GET" and self.lease is None:
            raise NotFound(404, "NotFound", "")
        if call.body:
            self.lease = json.loads(call.body)
        assert self.lease
        self.lease["metadata"] |= {"resourceVersion": str(len(self.asked)), "uid": "u"}
        return json.dumps(self.lease).encode()

    @asynccontextmanager
    async def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """One object, and a bookmark a minute until the time is over."""
        await self._note(call)
        self.limits.append((idle_seconds, total_seconds))
        yield self._lines(call)

    async def close(self) -> None:
        """Nothing is open."""

    def moments(self, method: str) -> list[float]:
        """When requests of a method were sent."""
        return [moment for moment, call in self.asked if call.method == method]

    async def _note(self, call: Call) -> None:
        self.asked.append((asyncio.get_running_loop().time(), call))
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses(call):
            raise Unavailable(503, "ServiceUnavailable", "")

    async def _lines(self, call: Call) -> AsyncIterator[bytes]:
        if "sendInitialEvents" in call.params:
            yield told("ADDED", name="a", namespace="default", uid="u", resourceVersion="1")
            end = {"k8s.io/initial-events-end": "true"}
            yield told("BOOKMARK", resourceVersion="2", annotations=end)
        for _ in range(int(call.params["timeoutSeconds"]) // 60):
            await asyncio.sleep(60)
            yield told("BOOKMARK", resourceVersion="2")


def lived(seconds: float, wire: Wire, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    """Have something run for so long, on that wire."""
    timeline = Timeline()
    clock = VirtualClock(timeline.main, random.Random(1))

    async def story() -> None:
        task = asyncio.create_task(work(Client(wire, field_manager="tests", clock=clock)))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    timeline.run(story())


def followed(client: Client) -> Coroutine[Any, Any, None]:
    """An informer at work, with the patience that it has by default."""
    return Informer(client, THINGS).run()


def test_r17_a_quiet_day_costs_no_list_and_tells_nobody_anything_again() -> None:
    wire, changes = Wire(), list[object]()

    def work(client: Client) -> Coroutine[Any, Any, None]:
        informer = Informer(client, THINGS)
        informer.on_change(lambda *change: changes.append(change))
        return informer.run()

    lived(24 * HOUR, wire, work)

    lists = [call for _, call in wire.asked if "resourceVersion" not in call.params]
    assert len(lists) == 1
    assert len(changes) == 1
    assert 24 * 6 < len(wire.asked) < 24 * 15


def test_r6_r12_a_watch_is_given_up_after_80_silent_seconds_or_5_too_many() -> None:
    wire = Wire()

    lived(6 * HOUR, wire, followed)

    seconds = [int(call.params["timeoutSeconds"]) for _, call in wire.asked]
    assert {idle for idle, _ in wire.limits} == {80.0}
    assert [total for _, total in wire.limits] == [each + 5 for each in seconds]
    assert all(300 <= each < 600 for each in seconds)
    assert max(seconds) - min(seconds) > 150


def test_r10_r11_an_outage_of_an_hour_is_asked_about_ever_more_rarely() -> None:
    wire = Wire()
    wire.refuses = lambda call: bool(wire.limits) and call is not wire.asked[0][1]

    lived(2 * HOUR, wire, followed)

    moments = [moment for moment, _ in wire.asked[1:]]
    waits = [after - before for before, after in pairwise(moments) if after > before]
    assert all(0.8 * 2**n <= wait < 2 * 0.8 * 2**n for n, wait in enumerate(waits[:5]))
    assert all(30 <= wait <= 60 for wait in waits[6:])
    assert len(moments) <= 0.3 * 2 * HOUR


def test_l2_who_stands_by_asks_every_two_to_four_seconds() -> None:
    wire = Wire()
    wire.lease = lease_of("x", 10**6)

    lived(HOUR, wire, lambda client: elector(client).acquire())

    waits = [after - before for before, after in pairwise(wire.moments("GET"))]
    assert all(2 <= wait < 4.4 for wait in waits)
    assert max(waits) - min(waits) > 2
    assert wire.moments("PUT") == []


def test_l2_who_leads_renews_every_two_seconds() -> None:
    wire = Wire()

    lived(HOUR, wire, lambda client: elector(client).run())

    assert {round(b - a, 6) for a, b in pairwise(wire.moments("PUT"))} == {2.0}
    assert len(wire.moments("GET")) == 1


def test_l7_an_attempt_without_an_answer_ends_after_half_the_time_that_we_act() -> None:
    wire = Wire()
    wire.hangs = True

    lived(60, wire, lambda client: elector(client).acquire())

    waits = [after - before for before, after in pairwise(wire.moments("GET"))]
    assert len(waits) > 5
    assert all(5 + 2 <= wait < 5 + 4.4 for wait in waits)


def lease_of(holder: str, seconds: int) -> dict[str, Any]:
    """A lease in wire form."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds}
    return {"metadata": {"name": REF.name, "namespace": REF.namespace}, "spec": spec}


def elector(client: Client) -> Elector:
    """One with the times that it has by default."""
    each = Elector(client, REF, "a")
    each.watchdog = None
    return each


def test_e4_an_event_that_cannot_be_sent_is_tried_twelve_times_ten_seconds_apart() -> None:
    wire = Wire()
    wire.refuses = lambda _: True

    def work(client: Client) -> Coroutine[Any, Any, None]:
        recorder = Recorder(client, controller="test.io/things", instance="pod-1")
        recorder.event(thing("a"), THINGS, type="Warning", reason="Broken", message="it broke")
        return recorder.run()

    lived(HOUR, wire, work)

    waits = [after - before for before, after in pairwise(wire.moments("POST"))]
    assert len(wire.asked) == 12
    assert 0 <= waits[0] <= 10
    assert {round(wait, 6) for wait in waits[1:]} == {10.0}


async def test_t5_a_token_is_read_once_a_minute_and_when_it_was_refused() -> None:
    clock, reads = FakeClock(), list[float]()
    tokens: Mapping[int, str] = {1: "second", 2: "third"}

    async def read(_: str) -> str:
        reads.append(clock.seconds)
        if len(reads) == 3:
            raise OSError("half-written")
        return tokens.get(len(reads), "last")

    token = RotatingToken("first", read, clock=clock)
    early = [await token.header() for _ in range(50)]
    clock.advance(61)
    minute = [await token.header() for _ in range(50)]
    refused = [await token.header(refused="second"), await token.header(refused="second")]
    clock.advance(61)
    unread = await token.header()

    assert (set(early), set(minute)) == ({"first"}, {"second"})
    assert refused == ["third", "third"]
    assert (unread, len(reads)) == ("third", 3)
