"""What is over keeps quiet: old crashes, and pods that have failed before others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.workloads.pods import BEGAN, cause, container, crashed


@pytest.mark.parametrize(
    ("ran_seconds", "probe", "lasting"),
    [
        (600, {}, True),
        (601, {}, False),
        (86_400, {}, False),
        (1830, {"periodSeconds": 10, "failureThreshold": 180}, True),
        (86_400, {"periodSeconds": 10, "failureThreshold": 180}, False),
    ],
    ids=["a few minutes", "more", "a day", "as long as it may load", "a day since it loaded"],
)
def test_restarts_of_a_container_that_was_up_since_are_no_crash_loop(
    ran_seconds: int, probe: dict[str, int], *, lasting: bool
) -> None:
    ended = BEGAN + timedelta(seconds=ran_seconds)
    times = {"startedAt": BEGAN.isoformat(), "finishedAt": ended.isoformat()}

    assert cause(crashed(3, **times), now=ended, probe=probe).lasting == lasting


@pytest.mark.parametrize("ran_minutes", [1, 15])
def test_a_crash_is_not_told_of_a_container_that_has_come_further_since(ran_minutes: int) -> None:
    started = BEGAN - timedelta(minutes=ran_minutes)
    end = {"exitCode": 1, "startedAt": started.isoformat(), "finishedAt": BEGAN.isoformat()}
    again = container(
        state={"running": {"startedAt": BEGAN.isoformat()}},
        started=True,
        restartCount=3,
        lastState={"terminated": end},
    )
    past = BEGAN + timedelta(minutes=max(10, ran_minutes))

    before = cause(again, now=past - timedelta(seconds=1))

    assert (before.reason, before.until) == ("ContainerCrashLoopBackOff", past)
    assert before.lasting == (ran_minutes < 10)
    assert cause(again, now=past).reason == "NotAnswering"
