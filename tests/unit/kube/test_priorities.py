"""Q6 to Q8: what goes first, and that nothing waits for ever."""

from __future__ import annotations

import asyncio

import structlog

from kaito.kube.client import Client
from kaito.kube.informer import Informer
from kaito.kube.workqueue import LOW, NORMAL, Workqueue
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import THINGS, FakeClock, follower, path, ref, thing


async def taken(queue: Workqueue, count: int) -> list[str]:
    """The next keys' names."""
    return [(await queue.get()).name for _ in range(count)]


async def test_q6_what_changes_goes_before_what_is_merely_there() -> None:
    queue = Workqueue("q", clock=FakeClock())
    for name in ("a", "b", "c"):
        queue.add(ref(name), priority=LOW)
    queue.add(ref("edit"), priority=NORMAL)

    assert await taken(queue, 4) == ["edit", "a", "b", "c"]


async def test_q6_a_key_is_raised_to_the_end_of_the_higher_level_and_never_lowered() -> None:
    queue = Workqueue("q", clock=FakeClock())
    queue.add(ref("a"), priority=LOW)
    queue.add(ref("b"), priority=LOW)
    queue.add(ref("c"), priority=NORMAL)
    queue.add(ref("b"), priority=NORMAL)
    queue.add(ref("c"), priority=LOW)
    length = len(queue)

    assert (length, await taken(queue, 3)) == (3, ["c", "b", "a"])
    assert len(queue) == 0


async def test_q7_a_retry_keeps_its_priority() -> None:
    clock = FakeClock()
    queue = Workqueue("q", clock=clock)
    queue.add(ref("low"), priority=LOW)
    await taken(queue, 1)
    queue.add_after(ref("low"), 1)
    queue.done(ref("low"))
    clock.advance(2)
    queue._collect_due()
    queue.add(ref("edit"))

    assert await taken(queue, 2) == ["edit", "low"]


async def test_q8_nothing_waits_for_ever_behind_a_stream_of_edits() -> None:
    clock = FakeClock()
    queue = Workqueue("q", clock=clock)
    queue.add(ref("low"), priority=LOW)
    order: list[str] = []
    for number in range(150):
        queue.add(ref(f"edit-{number}"))
        order += await taken(queue, 1)
        queue.done(ref(order[-1]))
        clock.advance(0.1)

    assert "low" in order
    assert 90 <= order.index("low") <= 110


async def test_q6_nothing_is_kept_of_a_key_that_is_done() -> None:
    queue = Workqueue("q", clock=FakeClock())
    for number in range(50):
        queue.add(ref(str(number)), priority=LOW)
        queue.add(ref(str(number)), priority=NORMAL)
    for _ in range(50):
        queue.done(await queue.get())

    assert (queue._levels, queue._queued, queue._dirty, queue._processing) == ({}, {}, {}, {})


async def test_q7_the_first_list_is_less_urgent_than_what_changes(api: Api, client: Client) -> None:
    api.put(path("old"), spec={"size": 1})
    informer = Informer(client, THINGS)
    added: asyncio.Queue[tuple[str, int | None]] = asyncio.Queue()

    def add(key: object, *, priority: int | None = None) -> None:
        added.put_nowait((str(key), priority))

    informer.watch(lambda each: [each.ref], add)
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(30):
        first = await added.get()
        await api.until_watched(1)
        api.put(path("old"), spec={"size": 2})
        second = await added.get()
    informer.watch(lambda each: [each.ref], add)
    late = added.get_nowait()
    task.cancel()

    assert first == ("default/old", LOW)
    assert second == ("default/old", NORMAL)
    assert late == ("default/old", LOW)


async def test_i6_a_handler_that_raises_is_logged_and_ends_nothing(client: Client) -> None:
    seen = follower(client)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    informer = seen.informer
    informer._handlers.insert(0, broken)
    with structlog.testing.capture_logs() as logs:
        informer.changed(thing("a", size=1))

    assert await seen.change() == ("a", None, 1)
    assert [(each["event"], each["name"]) for each in logs] == [("handler.failed", "default/a")]
