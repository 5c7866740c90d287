"""What the end of a reconcile means for its key, in virtual time, and for its worker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
import structlog
from prometheus_client import REGISTRY

from kaito.kube.controller import Controller
from kaito.kube.errors import InvalidSpec, Unavailable
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from tests.unit.kube.builders import ref
from tests.virtual.loop import Timeline, VirtualClock

KEY, HOUR = ref("a"), 3600.0
ERROR = Unavailable(503, "ServiceUnavailable", "")


NEVER = TimeoutError()
"""The end of a reconcile that waits for ever."""


def visited(script: Iterator[Outcome | Exception], seconds: float = HOUR) -> list[float]:
    """When one key was looked at, if its reconciles end as they are told to."""
    timeline = Timeline()
    moments: list[float] = []

    async def reconcile(_: Ref) -> Outcome:
        moments.append(timeline.now)
        end = next(script, DONE)
        if end is NEVER:
            await asyncio.Event().wait()
        if isinstance(end, Exception):
            raise end
        return end

    async def story() -> None:
        clock = VirtualClock(timeline.main, random.Random(1))
        controller = Controller("rules", reconcile, clock=clock)
        controller.queue.add(KEY)
        task = asyncio.create_task(controller.run())
        await asyncio.sleep(seconds)
        controller.stop()
        await task

    with structlog.testing.capture_logs():
        timeline.run(story())
    return moments


def waits(moments: list[float]) -> list[float]:
    """Seconds from one to the next."""
    return [after - before for before, after in pairwise(moments)]


def test_c1_success_is_looked_at_once() -> None:
    assert len(visited(iter([DONE]))) == 1


def test_c1_a_success_that_names_a_time_is_looked_at_again_then() -> None:
    assert waits(visited(iter([Outcome(recheck_seconds=70)]))) == [70]


def test_c1_a_success_ends_the_growth_of_the_waits() -> None:
    found = waits(visited(iter([ERROR, ERROR, ERROR, Outcome(recheck_seconds=100), ERROR])))

    assert len(found) == 5
    for wait, nominal in zip(found, (1, 2, 4, 100, 1), strict=True):
        assert 0.8 * nominal <= wait <= 1.2 * nominal


def test_c1_q5_what_only_the_user_can_mend_is_left_for_ten_minutes() -> None:
    found = waits(visited(iter([InvalidSpec("spec", "wrong")] * 3)))

    assert len(found) == 3
    assert all(600 <= wait <= 1.2 * 600 for wait in found)


def test_q5_waits_stop_growing_at_five_minutes() -> None:
    found = waits(visited(iter([ERROR] * 10**4), seconds=12 * HOUR))

    assert all(0.8 * 300 <= wait <= 1.2 * 300 for wait in found[9:])
    assert len(found) > 100


def test_c3_a_reconcile_that_never_ends_is_ended_after_two_minutes() -> None:
    found = waits(visited(iter([NEVER])))

    assert len(found) == 1
    assert 120.8 <= found[0] <= 121.2


async def test_c2_a_cancellation_is_no_error_and_goes_through() -> None:
    begun = asyncio.Event()

    async def reconcile(_: Ref) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return DONE

    controller = Controller("cancelled", reconcile)
    controller.queue.add(KEY)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(30):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    labels = {"controller": "cancelled"}
    for series in ("errors", "panics"):
        name = f"controller_runtime_reconcile_{series}_total"
        assert REGISTRY.get_sample_value(name, labels) == 0.0
