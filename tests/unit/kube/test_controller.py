"""What a reconcile's end means for its key, and what never happens to a key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from kaito.kube.controller import Controller
from kaito.kube.errors import Conflict, Denied, InvalidSpec, OperatorError, Throttled, Unavailable
from kaito.kube.logs import reconcile_id
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Level, Outcome, Policies, Policy
from kaito.kube.workqueue import Workqueue
from tests.unit.kube.builders import FakeClock, ref

A = ref("a")


@asynccontextmanager
async def working(
    reconcile: Callable[[Ref], Awaitable[Outcome]],
    *,
    workers: int = 4,
    clock: FakeClock | None = None,
    policies: Policies | None = None,
) -> AsyncIterator[Controller]:
    """A controller at work."""
    controller = Controller("t", reconcile, workers=workers, policies=policies)
    controller.queue = Workqueue("t", clock=clock or FakeClock())
    task = asyncio.create_task(controller.run())
    try:
        yield controller
    finally:
        controller.stop()
        async with asyncio.timeout(30):
            await task


async def waits_after(
    error: Exception, policies: Policies | None = None, *, step_seconds: float = 0.05
) -> float:
    """Seconds from a reconcile that raised to the next, to a step."""
    clock = FakeClock()
    runs: list[float] = []

    async def reconcile(_: Ref) -> Outcome:
        runs.append(clock.seconds)
        if len(runs) == 1:
            raise error
        return DONE

    async with working(reconcile, clock=clock, policies=policies) as controller:
        controller.queue.add(A)
        for _ in range(2_000):
            await asyncio.sleep(0)
            if len(runs) == 2:
                break
            if runs:
                clock.advance(step_seconds)
                controller.queue._wake()
    return runs[1] - runs[0]


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (Conflict(409, "Conflict", ""), 0.04, 0.15),
        (Throttled(429, "TooManyRequests", "", retry_after_seconds=7), 7, 8.5),
        (Unavailable(503, "", ""), 0.8, 1.35),
        (Denied(403, "", ""), 300, 362),
        (InvalidSpec("inference", "missing"), 600, 722),
        (TimeoutError(), 0.8, 1.35),
        (ZeroDivisionError(), 0.8, 1.35),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_c1_an_error_brings_its_key_back_after_the_tables_wait(
    error: Exception, least: float, most: float
) -> None:
    waited = await waits_after(error, step_seconds=0.05 if most < 60 else 1)

    assert least - 0.01 <= waited <= most


async def test_programs_add_rows_of_their_own() -> None:
    class CloudBusy(OperatorError):
        """An error family that the engine does not know."""

    rows: Policies = {CloudBusy: Policy(Level.INFO, wait_seconds=10)}

    assert 10 <= await waits_after(CloudBusy(), rows) <= 12.1


async def test_q2_no_two_workers_ever_hold_the_same_key() -> None:
    held: Counter[Ref] = Counter()
    most: Counter[Ref] = Counter()
    runs = 0

    async def reconcile(key: Ref) -> Outcome:
        nonlocal runs
        runs += 1
        held[key] += 1
        most[key] = max(most[key], held[key])
        for _ in range(3):
            await asyncio.sleep(0)
        held[key] -= 1
        return DONE

    async with working(reconcile, workers=8) as controller:
        for number in range(300):
            controller.queue.add(ref(str(number % 5)))
            if number % 3 == 0:
                await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)

    assert set(most.values()) == {1}
    assert len(most) == 5
    assert runs > 5


async def test_a_key_is_busy_while_it_waits_and_is_worked_on_but_not_when_it_is_appointed() -> None:
    told: list[bool] = []
    ended = asyncio.Event()

    async def reconcile(key: Ref) -> Outcome:
        told.append(controller.is_busy(key))
        ended.set()
        return Outcome(recheck_seconds=60)

    controller = Controller("t", reconcile, clock=FakeClock())
    told.append(controller.is_busy(A))
    controller.queue.add(A)
    told.append(controller.is_busy(A))
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(30):
        await ended.wait()
        for _ in range(3):
            await asyncio.sleep(0)
    told.append(controller.is_busy(A))
    controller.stop()
    await task

    assert told == [False, True, True, False]


async def logged(
    reconcile: Callable[[Ref], Awaitable[Outcome]], *, until: asyncio.Event
) -> list[MutableMapping[str, Any]]:
    """What one worker logs of two keys, A first."""
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as logs:
        async with working(reconcile, workers=1) as controller:
            controller.queue.add(A)
            controller.queue.add(ref("b"))
            async with asyncio.timeout(30):
                await until.wait()
    return logs


async def test_c2_a_bug_is_logged_once_with_its_key_and_other_keys_go_on() -> None:
    done = asyncio.Event()

    async def reconcile(key: Ref) -> Outcome:
        if key == A:
            raise ZeroDivisionError("oh")
        done.set()
        return DONE

    logs = await logged(reconcile, until=done)

    said = [each for each in logs if each["log_level"] == "error"]
    assert [each["event"] for each in said] == ["reconcile.failed"]
    assert (said[0]["namespace"], said[0]["name"]) == ("default", "a")
    assert said[0]["exc_info"]


async def test_every_pass_has_an_id_of_its_own_and_keeps_nothing_of_the_one_before() -> None:
    log, ended = structlog.get_logger(), asyncio.Event()

    async def reconcile(key: Ref) -> Outcome:
        if key == A:
            structlog.contextvars.bind_contextvars(only="a")
        log.info("pass.begun", of=key.name)
        await asyncio.sleep(0)
        log.info("pass.ended", of=key.name, id=reconcile_id())
        if key != A:
            ended.set()
        return DONE

    logs = await logged(reconcile, until=ended)

    ids = [each["reconcile"] for each in logs]
    assert ids == [logs[1]["id"]] * 2 + [logs[3]["id"]] * 2
    assert len(set(ids)) == 2
    assert [(each["of"], each["name"], each.get("only")) for each in logs] == [
        *([("a", "a", "a")] * 2),
        *([("b", "b", None)] * 2),
    ]


async def test_q3_c7_stop_lets_what_is_in_work_end() -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def reconcile(key: Ref) -> Outcome:
        begun.set()
        await may_end.wait()
        ended.append(key)
        return DONE

    async with working(reconcile) as controller:
        controller.queue.add(A)
        await begun.wait()
        controller.stop()
        may_end.set()

    assert ended == [A]


async def test_c1_q6_a_recheck_is_kept_and_an_event_comes_before_it() -> None:
    runs = asyncio.Queue[float]()
    clock = FakeClock()

    async def reconcile(_: Ref) -> Outcome:
        runs.put_nowait(clock.seconds)
        return Outcome(recheck_seconds=60)

    async with working(reconcile, clock=clock) as controller, asyncio.timeout(30):
        controller.queue.add(A)
        first = await runs.get()
        controller.queue.add(A)
        second = await runs.get()
        await asyncio.sleep(0)
        clock.advance(60)
        controller.queue._wake()
        third = await runs.get()

    assert (second - first, third - first) == (0, 60)


async def test_c1_a_nudge_does_not_shorten_the_wait_after_a_failure() -> None:
    runs = asyncio.Queue[Ref]()

    async def reconcile(key: Ref) -> Outcome:
        runs.put_nowait(key)
        if key == A:
            raise Unavailable(503, "ServiceUnavailable", "it is down")
        return DONE

    async with working(reconcile, workers=1) as controller, asyncio.timeout(30):
        for key in (A, ref("b")):
            controller.queue.add(key)
        seen = [await runs.get(), await runs.get()]
        for key in (A, ref("b")):
            controller.nudge(key)
        seen.append(await runs.get())

    assert seen == [A, ref("b"), ref("b")]


async def test_c2_c9_a_cancellation_from_inside_is_an_error_of_its_key_alone() -> None:
    again = asyncio.Event()

    async def reconcile(key: Ref) -> Outcome:
        if key == A:
            raise asyncio.CancelledError
        again.set()
        return DONE

    async with working(reconcile, workers=1) as controller, asyncio.timeout(30):
        controller.queue.add(A)
        controller.queue.add(ref("b"))
        await again.wait()


async def test_c2_a_worker_that_is_told_to_end_ends() -> None:
    begun = asyncio.Event()

    async def reconcile(_: Ref) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return DONE

    controller = Controller("t", reconcile)
    controller.queue.add(A)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(30):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
