"""Restart policies, back-off, and what a restarted kubelet remembers."""

from __future__ import annotations

import pytest

from hack.cluster.kubelet.history import first_view, is_over
from hack.cluster.kubelet.states import BackOff, Terminated, Waiting, ended, restarts_after
from kaito.kube.kinds import ContainerStatus
from tests.unit.cluster.kubelet.builders import EARLIER, NOW, container


@pytest.mark.parametrize(
    ("policy", "codes"),
    [("Always", {0, 1}), ("OnFailure", {1}), ("Never", set())],
)
def test_the_restart_policy_decides_whether_a_container_starts_again(
    policy: str, codes: set[int]
) -> None:
    ends = [ended(code, started_at=EARLIER, finished_at=NOW) for code in (0, 1)]

    assert {end.exit_code for end in ends if restarts_after(end, policy)} == codes


def test_delays_double_up_to_the_cap() -> None:
    delay = BackOff(10, 300)

    assert [delay.delay() for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]


def test_a_long_run_is_forgiven() -> None:
    delay = BackOff(10, 300)
    delay.delay()
    delay.delay()

    assert delay.delay(ran_seconds=600) == 10


def status_of(**fields: object) -> list[ContainerStatus]:
    return [ContainerStatus.model_validate({"name": "main", **fields})]


def test_a_new_pods_container_waits_for_its_reason() -> None:
    view = first_view(container(), [], reason="PodInitializing", now=NOW)

    assert view.state == Waiting("PodInitializing")
    assert view.restarts == 0


def test_a_container_that_ran_died_with_its_kubelet() -> None:
    statuses = status_of(restartCount=2, state={"running": {"startedAt": "2026-01-02T03:00:00Z"}})

    view = first_view(container(), statuses, reason="ContainerCreating", now=NOW)

    assert isinstance(view.state, Terminated)
    assert view.state.exit_code == 137
    assert view.state.reason == "ContainerStatusUnknown"
    assert view.state.finished_at == NOW
    assert view.restarts == 2


def test_a_restart_that_was_waited_for_still_counts() -> None:
    statuses = status_of(
        restartCount=4,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"exitCode": 9, "reason": "Error"}},
    )

    view = first_view(container(), statuses, reason="ContainerCreating", now=NOW)

    assert isinstance(view.state, Terminated)
    assert view.state.exit_code == 9
    assert not is_over(view, "Always")


def test_what_ended_for_good_stays_ended() -> None:
    statuses = status_of(state={"terminated": {"exitCode": 0, "reason": "Completed"}})

    view = first_view(container(), statuses, reason="ContainerCreating", now=NOW)

    assert is_over(view, "OnFailure")
    assert is_over(view, "Never")
