"""One timer for things that may all take equally long."""

from __future__ import annotations

import asyncio

import pytest

from kaito.kube.deadlines import Deadline, Deadlines


async def wait(deadlines: Deadlines, begun: list[Deadline], *, event: asyncio.Event) -> str:
    """Wait for an event, within a deadline."""
    with deadlines.begin() as deadline:
        begun.append(deadline)
        await event.wait()
    return "in time"


async def test_what_takes_too_long_is_a_timeout_and_the_rest_goes_on() -> None:
    deadlines, begun = Deadlines(0.02), list[Deadline]()
    never, set_already = asyncio.Event(), asyncio.Event()
    set_already.set()

    found = await asyncio.gather(
        wait(deadlines, begun, event=never),
        wait(deadlines, begun, event=set_already),
        wait(deadlines, begun, event=never),
        return_exceptions=True,
    )

    assert [type(each) for each in found] == [TimeoutError, str, TimeoutError]
    assert [each.is_over for each in begun] == [True, False, True]


async def test_a_later_one_is_watched_over_when_an_earlier_has_rung() -> None:
    deadlines = Deadlines(0.02)

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await wait(deadlines, [], event=asyncio.Event())


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    task = asyncio.create_task(wait(Deadlines(30), [], event=asyncio.Event()))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_task_that_both_want_to_end_is_cancelled() -> None:
    begun = list[Deadline]()
    task = asyncio.create_task(wait(Deadlines(30), begun, event=asyncio.Event()))
    await asyncio.sleep(0)

    begun[0].expire()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_at_the_deadline_stays_what_it_is() -> None:
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError

    with pytest.raises(KeyError), Deadlines(0.01).begin():
        await fail()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_thousand_deadlines_set_one_timer() -> None:
    loop = asyncio.get_running_loop()
    set_already = asyncio.Event()
    set_already.set()
    deadlines, before = Deadlines(30), timers(loop)

    for _ in range(1_000):
        await wait(deadlines, [], event=set_already)

    assert timers(loop) - before == 1


def timers(loop: asyncio.AbstractEventLoop) -> int:
    """How many the loop holds, cancelled ones among them."""
    return len(vars(loop)["_scheduled"])
