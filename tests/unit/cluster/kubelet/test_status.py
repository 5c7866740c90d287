"""PodStatus, from spec and container states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hack.cluster.kubelet.pod import Pod
from hack.cluster.kubelet.states import Terminated, View, Waiting
from hack.cluster.kubelet.status import Seen, pod_status
from tests.unit.cluster.kubelet.builders import (
    EARLIER,
    NOW,
    SHELL,
    a_container,
    a_pod,
    running,
    terminated,
    waiting,
)


def seen(
    *views: View, init: tuple[View, ...] = (), pod: Pod | None = None, is_ending: bool = False
) -> Seen:
    own = pod or a_pod(*(a_container(view.name) for view in views))
    return Seen(own, init, views, "10.224.0.1", "10.16.0.1", EARLIER, is_ending, NOW)


def conditions(status: dict[str, object]) -> dict[str, str]:
    listed = status["conditions"]
    assert isinstance(listed, list)
    return {one["type"]: one["status"] for one in listed}


def with_policy(policy: str, *init: str) -> Pod:
    return a_pod(restartPolicy=policy, initContainers=[a_container(name) for name in init])


CRASHED = replace(waiting(reason="CrashLoopBackOff"), last=Terminated(1, "Error", EARLIER, NOW))


@pytest.mark.parametrize(
    ("policy", "views", "phase"),
    [
        ("Always", (waiting(),), "Pending"),
        ("Always", (running(),), "Running"),
        ("Always", (running("a"), waiting("b")), "Pending"),
        ("Always", (CRASHED,), "Running"),
        ("Always", (terminated(code=1),), "Running"),
        ("Always", (terminated(code=0),), "Running"),
        ("OnFailure", (terminated(code=1),), "Running"),
        ("OnFailure", (terminated(code=0),), "Succeeded"),
        ("Never", (terminated(code=0),), "Succeeded"),
        ("Never", (terminated(code=3),), "Failed"),
        ("Never", (terminated("a", code=3), terminated("b")), "Failed"),
        ("Never", (terminated("a", code=3), running("b")), "Running"),
    ],
)
def test_a_pods_phase_follows_from_its_containers(
    policy: str, views: tuple[View, ...], phase: str
) -> None:
    assert pod_status(seen(*views, pod=with_policy(policy)))["phase"] == phase


@pytest.mark.parametrize(
    ("policy", "init", "phase"),
    [
        ("Always", running("first", ready=False), "Pending"),
        ("Always", terminated("first", code=1), "Pending"),
        ("OnFailure", terminated("first", code=1), "Pending"),
        ("Never", terminated("first", code=1), "Failed"),
        ("Always", terminated("first"), "Running"),
    ],
    ids=["runs", "failed-always", "failed-on-failure", "failed-never", "done"],
)
def test_init_containers_decide_the_phase_until_they_are_done(
    policy: str, init: View, phase: str
) -> None:
    main = running() if init.is_complete else waiting(reason="PodInitializing")

    status = pod_status(seen(main, init=(init,), pod=with_policy(policy, "first")))

    assert status["phase"] == phase
    assert conditions(status)["Initialized"] == str(init.is_complete)


def test_a_sidecar_has_initialized_when_it_has_started() -> None:
    sidecar = {**a_container("side"), "restartPolicy": "Always"}
    pod = a_pod(initContainers=[sidecar])

    status = pod_status(seen(running(), init=(running("side"),), pod=pod))

    assert status["phase"] == "Running"
    assert conditions(status)["Initialized"] == "True"
    assert conditions(status)["Ready"] == "True"


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    ready = pod_status(seen(running("a"), running("b")))
    unready = pod_status(seen(running("a"), running("b", ready=False)))

    assert conditions(ready)["Ready"] == conditions(ready)["ContainersReady"] == "True"
    assert conditions(unready)["Ready"] == conditions(unready)["ContainersReady"] == "False"
    assert "[b]" in str(unready["conditions"])


def test_a_readiness_gate_holds_ready_back_but_not_the_containers() -> None:
    gated = a_pod(readinessGates=[{"conditionType": "example.org/up"}])

    status = pod_status(seen(running(), pod=gated))

    assert conditions(status)["ContainersReady"] == "True"
    assert conditions(status)["Ready"] == "False"


def test_the_scheduler_s_condition_is_left_to_the_scheduler() -> None:
    assert "PodScheduled" not in conditions(pod_status(seen(running())))


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-05-05T05:05:05Z"}
    initialized = {**ready, "type": "Initialized", "status": "False"}
    wire = a_pod().model_dump(by_alias=True) | {"status": {"conditions": [ready, initialized]}}

    status = pod_status(seen(running(), pod=Pod.model_validate(wire)))

    listed = status["conditions"]
    assert isinstance(listed, list)
    times = {one["type"]: one["lastTransitionTime"] for one in listed}
    assert times["Ready"] == "2025-05-05T05:05:05Z"
    assert times["Initialized"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("view", "phase"), [(terminated(code=0), "Succeeded"), (terminated(code=137), "Failed")]
)
def test_a_deleted_pod_ends_in_a_final_phase(view: View, phase: str) -> None:
    assert pod_status(seen(view, is_ending=True))["phase"] == phase


def test_a_finished_pod_never_runs_again() -> None:
    wire = a_pod().model_dump(by_alias=True) | {"status": {"phase": "Failed"}}

    assert pod_status(seen(running(), pod=Pod.model_validate(wire)))["phase"] == "Failed"


def test_container_states_have_the_form_that_kubectl_reads() -> None:
    end = Terminated(137, "Error", EARLIER, NOW, "last words", "bubblewrap://1")
    crashed = View("main", SHELL, Waiting("CrashLoopBackOff", "back-off 10s"), end, restarts=3)

    status = pod_status(seen(crashed))

    assert status["containerStatuses"] == [
        {
            "name": "main",
            "image": SHELL,
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {
                "terminated": {
                    "exitCode": 137,
                    "reason": "Error",
                    "message": "last words",
                    "containerID": "bubblewrap://1",
                    "startedAt": "2026-01-02T03:00:00Z",
                    "finishedAt": "2026-01-02T03:04:05Z",
                }
            },
        }
    ]


def test_an_init_container_that_is_done_counts_as_ready() -> None:
    status = pod_status(
        seen(running(), init=(terminated("first"),), pod=with_policy("Always", "first"))
    )

    listed = status["initContainerStatuses"]
    assert isinstance(listed, list)
    assert listed[0]["ready"] is True


def test_an_init_container_at_work_is_started_and_not_ready() -> None:
    at_work = replace(running("first"), ready=True, started=True)
    status = pod_status(seen(waiting(), init=(at_work,), pod=with_policy("Always", "first")))

    listed = status["initContainerStatuses"]
    assert isinstance(listed, list)
    assert (listed[0]["started"], listed[0]["ready"]) == (True, False)


def test_addresses_are_nominal() -> None:
    status = pod_status(seen(running()))

    assert status["podIP"] == "10.224.0.1"
    assert status["hostIP"] == "10.16.0.1"
    assert status["podIPs"] == [{"ip": "10.224.0.1"}]
