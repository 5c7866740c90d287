"""What is over keeps quiet: old crashes, and pods that have failed before others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kaito.kube.kinds import Pod
from kaito.kube.objects import ObjectMeta, OwnerReference
from kaito.workloads.diagnosis import first_cause
from tests.unit.workloads.pods import BEGAN, cause, container, crashed, pod


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


def test_a_crash_after_a_month_is_not_told_for_a_month() -> None:
    started = BEGAN - timedelta(days=30)
    end = {"exitCode": 1, "startedAt": started.isoformat(), "finishedAt": BEGAN.isoformat()}
    again = container(
        state={"running": {"startedAt": BEGAN.isoformat()}},
        started=True,
        restartCount=1,
        lastState={"terminated": end},
    )
    past = BEGAN + timedelta(hours=1)

    assert cause(again, now=past - timedelta(seconds=1)).until == past
    assert cause(again, now=past).reason == "NotAnswering"


def made(name: str, *, hours: float, by: str = "first", sick: Pod | None = None) -> Pod:
    """A pod that the ReplicaSet `by` made so long after `BEGAN`: a sound one, or one as `sick`."""
    owner = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="w", uid=by)
    when = BEGAN + timedelta(hours=hours)
    metadata = ObjectMeta(name=name, creation_timestamp=when, owner_references=(owner,))
    return (sick or pod(phase="Running")).model_copy(update={"metadata": metadata})


def evicted(*, hours: float) -> Pod:
    """A pod that was made at `BEGAN` and that its node ended so long after."""
    change = {
        "type": "Ready",
        "status": "False",
        "lastTransitionTime": (BEGAN + timedelta(hours=hours)).isoformat(),
    }
    ended = pod(phase="Failed", reason="Evicted", message="too full", conditions=[change])
    return made("a", hours=0, sick=ended)


@pytest.mark.parametrize(
    ("others", "looked", "is_told"),
    [
        ([], 240, True),
        ([made("b", hours=72)], 72.9, True),
        ([made("b", hours=72)], 73, False),
        ([made("b", hours=72), made("c", hours=100)], 100, False),
        ([made("b", hours=72, by="second")], 72.1, False),
        ([made("0", hours=-1)], 240, True),
    ],
    ids=["alone", "just now", "an hour ago", "days ago", "of another revision", "after the other"],
)
def test_a_pod_that_was_evicted_speaks_while_it_may_be_the_reason(
    others: list[Pod], looked: float, *, is_told: bool
) -> None:
    found = first_cause([evicted(hours=72), *others], now=BEGAN + timedelta(hours=looked))

    assert (found.reason if found else None) == ("PodEvicted" if is_told else None)


def test_what_is_told_of_an_evicted_pod_ends_by_itself_once_another_has_followed_it() -> None:
    now = BEGAN + timedelta(hours=72)

    followed = first_cause([evicted(hours=72), made("b", hours=72)], now=now)
    alone = first_cause([evicted(hours=72)], now=now)

    assert followed
    assert followed.until == BEGAN + timedelta(hours=73)
    assert alone
    assert alone.until is None


def test_of_pods_that_are_evicted_again_and_again_the_last_speaks() -> None:
    again = made("b", hours=72, sick=evicted(hours=80))

    found = first_cause([evicted(hours=72), again], now=BEGAN + timedelta(hours=80))

    assert found
    assert "pod b was ended by its node" in found.message
