"""What is made of the Events of a pod: as real kubelets, and newer components, write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kaito.kube.kinds import Pod, PodSpec
from kaito.workloads.diagnosis import first_cause
from kaito.workloads.mounting import Complaint, complaint, due_seconds

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NO_SETTINGS = 'MountVolume.SetUp failed for volume "settings" : configmap "phi" not found'
NO_HUB = 'MountVolume.SetUp failed for volume "token" : secret "hub" not found'


def event(note: str, *, minute: int = 0, reason: str = "FailedMount", **wire: object) -> Complaint:
    seen = (BEGAN + timedelta(minutes=minute)).isoformat()
    told = {"reason": reason, "note": note, "deprecatedLastTimestamp": seen}
    return Complaint.model_validate(told | wire)


def pod(**status: object) -> Pod:
    wire = {"phase": "Pending", "startTime": BEGAN.isoformat(), **status}
    return Pod.model_validate({"metadata": {"name": "p"}, "status": wire})


def sandbox(status: str) -> list[dict[str, str]]:
    return [{"type": "PodReadyToStartContainers", "status": status}]


def test_a_volume_that_is_missing_is_told_in_the_kubelets_words() -> None:
    assert complaint([event("assigned", reason="Scheduled"), event(NO_SETTINGS)]) == NO_SETTINGS
    assert complaint([event("assigned", reason="Scheduled")]) == ""


def test_two_that_are_missing_are_told_in_one_order_whichever_was_tried_last() -> None:
    said = [
        complaint([event(NO_HUB, minute=late), event(NO_SETTINGS, minute=1 - late)])
        for late in (0, 1)
    ]

    assert said == [f"{NO_SETTINGS}; {NO_HUB}"] * 2


def test_what_was_mended_is_not_told_any_more() -> None:
    assert complaint([event(NO_HUB), event(NO_SETTINGS, minute=10)]) == NO_SETTINGS


def test_an_event_that_counts_its_repetitions_is_as_new_as_its_last() -> None:
    again = (BEGAN + timedelta(minutes=10)).isoformat()
    first = BEGAN.isoformat()
    repeated = event(
        NO_HUB,
        deprecatedLastTimestamp=None,
        eventTime=first,
        series={"count": 9, "lastObservedTime": again},
    )

    assert complaint([repeated, event(NO_SETTINGS, minute=10)]) == f"{NO_SETTINGS}; {NO_HUB}"
    assert complaint([repeated, event(NO_SETTINGS)]) == NO_HUB


def test_a_pod_that_gets_no_sandbox_is_told_alike_at_each_try() -> None:
    words = "Failed to create pod sandbox: rpc error: failed to setup network for sandbox"
    tries = [
        event(f'{words} "{digit * 64}": plugin: unauthorized', reason="FailedCreatePodSandBox")
        for digit in "ab"
    ]
    said = [complaint([each]) for each in tries]
    stuck = pod().model_copy(update={"spec": PodSpec(node_name="n1")})

    assert said[0] == said[1] == complaint(tries) == f"{words} …: plugin: unauthorized"
    found = first_cause([stuck], now=BEGAN, complaints={"p": said[0]})
    assert found
    assert (found.reason, found.lasting) == ("ContainerStartError", False)
    assert found.message.startswith("node n1 cannot start pod p: Failed to create pod sandbox")
    assert "volumes" not in found.message


@pytest.mark.parametrize("conditions", [[], sandbox("False")])
def test_a_pod_without_a_sandbox_is_asked_about_after_seconds(
    conditions: list[dict[str, str]],
) -> None:
    slow = pod(conditions=conditions)

    assert due_seconds(slow, now=BEGAN + timedelta(seconds=1)) == 3
    assert due_seconds(slow, now=BEGAN + timedelta(seconds=4)) == 0


@pytest.mark.parametrize(
    "well",
    [
        pod(conditions=sandbox("True")),
        pod(phase="Running"),
        pod(phase="Failed", conditions=sandbox("False")),
        pod(startTime=None),
    ],
    ids=["it pulls an image", "it runs", "it has ended", "no kubelet has it yet"],
)
def test_any_other_pod_is_never_asked_about(well: Pod) -> None:
    assert due_seconds(well, now=BEGAN + timedelta(hours=1)) is None
