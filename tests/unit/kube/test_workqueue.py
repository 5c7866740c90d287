"""Q1 to Q4: one key, one worker, one more run for whatever happened meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from kaito.kube.objects import Ref
from kaito.kube.workqueue import ShutDown, Workqueue
from tests.unit.kube.builders import FakeClock, ref

A, B = ref("a"), ref("b")


async def taken(queue: Workqueue) -> list[str]:
    """The names of all keys that can be taken at once."""
    names: list[str] = []
    while True:
        task = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            return names
        names.append(task.result().name)


async def test_q1_many_adds_before_a_get_cause_one_run() -> None:
    queue = Workqueue("t")
    for key in (A, B, A, A):
        queue.add(key)

    assert await taken(queue) == ["a", "b"]


async def test_q2_a_key_in_work_is_not_handed_out_again() -> None:
    queue = Workqueue("t")
    queue.add(A)
    await queue.get()
    queue.add(A)

    assert await taken(queue) == []


async def test_q2_adds_during_a_run_cause_exactly_one_more() -> None:
    queue = Workqueue("t")
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(A)
    queue.done(A)

    assert await taken(queue) == ["a"]
    queue.done(A)
    assert await taken(queue) == []


async def test_q4_an_appointment_is_kept_not_before_its_time() -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    queue.add_after(A, 10)

    clock.advance(9.9)
    early = await taken(queue)
    clock.advance(0.2)

    assert (early, await taken(queue)) == ([], ["a"])


@pytest.mark.parametrize("waits", [(5, 10), (10, 5)], ids=["earlier first", "later first"])
async def test_q4_the_earlier_of_two_appointments_holds(waits: tuple[float, float]) -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    for seconds in waits:
        queue.add_after(A, seconds)

    clock.advance(6)
    first = await taken(queue)
    queue.done(A)
    clock.advance(6)

    assert (first, await taken(queue)) == (["a"], [])


async def test_q6_an_add_makes_an_appointment_void() -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    queue.add_after(A, 5)
    queue.add(A)
    first = await taken(queue)
    queue.done(A)
    clock.advance(6)

    assert (first, await taken(queue)) == (["a"], [])


async def test_q4_a_sleeping_worker_wakes_for_an_appointment() -> None:
    queue = Workqueue("t")
    queue.add_after(A, 0.01)

    async with asyncio.timeout(30):
        assert await queue.get() == A


async def waiting(queue: Workqueue, count: int) -> list[asyncio.Task[Ref]]:
    """Workers that wait for a key, in that order."""
    workers = [asyncio.create_task(queue.get()) for _ in range(count)]
    await asyncio.sleep(0)
    return workers


async def test_of_many_workers_each_key_wakes_one() -> None:
    queue = Workqueue("t")
    first, second, third = await waiting(queue, 3)

    queue.add(A)
    queue.add(B)
    await asyncio.sleep(0)

    assert (first.result(), second.result()) == (A, B)
    assert not third.done()
    third.cancel()


async def test_a_key_whose_worker_was_cancelled_is_anothers() -> None:
    queue = Workqueue("t")
    first, second = await waiting(queue, 2)

    queue.add(A)
    first.cancel()

    async with asyncio.timeout(30):
        assert await second == A
    assert first.cancelled()


async def test_a_worker_that_was_cancelled_before_holds_up_no_key() -> None:
    queue = Workqueue("t")
    first, second = await waiting(queue, 2)
    first.cancel()
    await asyncio.sleep(0)

    queue.add(A)

    async with asyncio.timeout(30):
        assert await second == A


async def test_q5_q9_failures_in_a_row_double_the_wait_with_jitter() -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    waits = []
    for _ in range(6):
        queue.add_failed(A, first_seconds=1, cap_seconds=10)
        started = clock.seconds
        while not await taken(queue):
            clock.advance(0.05)
        waits.append(clock.seconds - started)
        queue.done(A)

    for wait, nominal in zip(waits, (1, 2, 4, 8, 10, 10), strict=True):
        assert 0.8 * nominal - 0.1 <= wait <= 1.2 * nominal + 0.1


async def test_q5_forget_starts_the_wait_over() -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    for _ in range(8):
        queue.add_failed(A, first_seconds=1, cap_seconds=100)
        queue.add(A)
        await taken(queue)
        queue.done(A)
    queue.forget(A)
    queue.add_failed(A, first_seconds=1, cap_seconds=100)

    clock.advance(1.3)

    assert await taken(queue) == ["a"]


async def test_q9_keys_that_fail_together_come_back_apart() -> None:
    clock = FakeClock()
    queue = Workqueue("t", clock=clock)
    for number in range(100):
        queue.add_failed(ref(str(number)), first_seconds=10, cap_seconds=10)

    clock.advance(10)
    early = len(await taken(queue))

    assert 20 < early < 80


async def test_q3_after_shut_down_nothing_is_handed_out_and_waiters_are_told() -> None:
    queue = Workqueue("t")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.shut_down()
    queue.add(A)

    with pytest.raises(ShutDown):
        await waiting
    with pytest.raises(ShutDown):
        await queue.get()
