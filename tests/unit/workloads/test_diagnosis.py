"""What is said of pods that do not run: pods as real kubelets report them, and the sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kaito.api.reasons import TERMINAL
from kaito.kube.kinds import Pod, ReplicaSpec
from kaito.workloads.diagnosis import first_cause
from tests.unit.workloads.pods import (
    BEGAN,
    WAITING_LONG,
    cause,
    container,
    crashed,
    named,
    pod,
    ran_for,
    waiting,
)


def test_a_missing_volume_is_told_at_once_and_lasts_after_a_minute() -> None:
    silent = waiting("ContainerCreating")
    missing = {"p": 'configmap "phi" not found'}
    looks = [
        first_cause([silent], now=BEGAN + timedelta(seconds=seconds), complaints=missing)
        for seconds in (10, 60)
    ]

    assert [(look.reason, look.lasting) for look in looks if look] == [
        ("VolumeNotMounted", False),
        ("VolumeNotMounted", True),
    ]
    assert looks[0]
    assert 'configmap "phi" not found' in looks[0].message
    assert "correct its name" in looks[0].message
    assert looks[0].until == BEGAN + timedelta(seconds=60)
    assert first_cause([silent], now=WAITING_LONG, complaints={"q": "of another pod"}) is None


@pytest.mark.parametrize(
    ("sick", "reason", "words"),
    [
        (
            waiting("ErrImagePull", "manifest unknown"),
            "ImagePullError",
            ("registry.example/phi:1", "manifest unknown", "pull secrets"),
        ),
        (waiting("InvalidImageName", "bad reference"), "ImagePullError", ("bad reference",)),
        (
            waiting("CreateContainerConfigError", 'secret "hub" not found'),
            "ContainerStartError",
            ('secret "hub" not found', "modelAccessSecret", "create what is missing"),
        ),
        (
            crashed(message="Traceback\n  line 3\nValueError: no such dtype\n"),
            "ContainerCrashLoopBackOff",
            ("exit code 1", "ValueError: no such dtype", "kubectl logs"),
        ),
        (
            waiting("PostStartHookError", "command 'x' exited with 1"),
            "ContainerStartError",
            ("exited with 1",),
        ),
        (crashed(exitCode=127), "ContainerCrashLoopBackOff", ("127", "does not hold the command")),
        (
            crashed(exitCode=137, reason="OOMKilled"),
            "ContainerOOMKilled",
            ("memory", "larger instance type"),
        ),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on memory"),
            "PodEvicted",
            ("Evicted", "low on memory"),
        ),
        (
            pod(
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
                    }
                ]
            ),
            "Unschedulable",
            ("Insufficient nvidia.com/gpu", "labelSelector"),
        ),
        (
            container(state={"running": {}}, started=True, ready=False),
            "NotAnswering",
            ("readiness probe",),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_cause_is_named_with_its_words_and_a_remedy(
    sick: Pod, reason: str, words: tuple[str, ...]
) -> None:
    found = cause(sick)

    assert found.reason == reason
    assert [word for word in words if word not in found.message] == []


@pytest.mark.parametrize("name", ["adapters", "adapters-fit"])
@pytest.mark.parametrize(("restarts", "lasting"), [(0, False), (1, True)])
def test_what_a_program_says_of_an_adapter_is_said_as_it_stands(
    restarts: int, name: str, *, lasting: bool
) -> None:
    said = "inference.adapters[0].source.image: r.example/legal:1: 404: check the tag"
    ended = {"exitCode": 1, "reason": "Error", "message": f"{said}\n"}
    fetching = {
        "name": name,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }

    found = cause(pod(initContainerStatuses=[fetching]))

    assert (found.reason, found.message, found.lasting) == ("AdapterFailed", said, lasting)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("adapter legal: does not fit the model: no such place: x (4 in all)", "AdapterFailed"),
        ("adapters are missing", "ContainerCrashLoopBackOff"),
        ("the model cannot be read", "ContainerCrashLoopBackOff"),
    ],
    ids=["an adapter", "another word", "the model"],
)
def test_what_the_server_says_of_an_adapter_is_no_mere_crash(said: str, reason: str) -> None:
    ended = {"exitCode": 1, "reason": "Error", "message": f"{said}\n"}
    serving = {
        "name": "workspace-phi",
        "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }

    found = cause(pod(containerStatuses=[serving]))

    assert found.reason == reason
    assert said in found.message
    assert found.lasting == (reason == "AdapterFailed")


@pytest.mark.parametrize(
    "well",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        container(state={"running": {}}, started=False),
        container(state={"running": {}}, started=True, ready=True),
        container(
            state={"running": {}},
            ready=True,
            restartCount=2,
            lastState={"terminated": {"exitCode": 1}},
        ),
        pod(phase="Pending"),
    ],
    ids=["creating", "initializing", "loading", "ready", "ready again", "pending"],
)
def test_a_pod_that_takes_its_time_or_has_recovered_has_no_cause(well: Pod) -> None:
    assert first_cause([well], now=WAITING_LONG) is None


def test_a_crash_is_told_until_the_container_has_run_for_as_long_as_it_has_to() -> None:
    again = container(
        state={"running": {"startedAt": BEGAN.isoformat()}},
        ready=True,
        restartCount=3,
        lastState={"terminated": {"exitCode": 3}},
    )
    template = {"spec": {"containers": [{"name": "w"}]}}
    spec = ReplicaSpec(template=template, min_ready_seconds=10)
    looks = [
        first_cause([again], now=BEGAN + timedelta(seconds=seconds), spec=spec)
        for seconds in (9, 10)
    ]

    assert [(look.reason, look.lasting) if look else None for look in looks] == [
        ("ContainerCrashLoopBackOff", True),
        None,
    ]


def test_a_container_that_was_too_large_is_told_with_its_limit() -> None:
    bounded = {"name": "w", "resources": {"limits": {"memory": "64Mi"}}}
    spec = ReplicaSpec(template={"spec": {"containers": [bounded]}})

    found = first_cause([crashed(exitCode=137, reason="OOMKilled")], now=WAITING_LONG, spec=spec)

    assert found
    assert "its limit of 64Mi" in found.message
    assert "raise resources.limits.memory" in found.message


@pytest.mark.parametrize(
    ("image", "setting"),
    [
        ("kaito-phi-2:0.0.1", "KAITO_PRESET_REGISTRY"),
        ("docker.io/library/kaito-vllm:0.25.1", "KAITO_PRESET_REGISTRY"),
        ("kaito-artifacts:0.1.0", "KAITO_ARTIFACTS_IMAGE"),
    ],
)
def test_an_image_of_ours_without_a_registry_names_the_setting(image: str, setting: str) -> None:
    found = cause(waiting("ErrImagePull", "pull access denied", image=image))

    assert f"no registry is named: set {setting} of the operator" in found.message


@pytest.mark.parametrize("image", ["registry.example/kaito-phi-2:0.0.1", "nginx:1", "phi-2:1"])
def test_an_image_of_another_place_or_make_names_no_setting(image: str) -> None:
    found = cause(waiting("ErrImagePull", "manifest unknown", image=image))

    assert "KAITO_" not in found.message


@pytest.mark.parametrize("policy", ["", "Always"], ids=["at work", "sidecar"])
def test_a_container_that_works_before_the_others_need_not_answer(policy: str) -> None:
    runs = {"name": "fetch", "state": {"running": {}}, "started": True, "ready": False}
    first = pod(initContainerStatuses=[runs], containerStatuses=[])
    listed = {"name": "fetch", **({"restartPolicy": policy} if policy else {})}
    spec = ReplicaSpec(template={"spec": {"initContainers": [listed], "containers": []}})

    found = first_cause([first], now=WAITING_LONG, spec=spec)

    assert (found.reason if found else "") == ("NotAnswering" if policy else "")


def test_a_pull_that_backs_off_says_the_same_as_the_pull_that_failed() -> None:
    failed = waiting("ErrImagePull", "manifest unknown")
    backing_off = waiting(
        "ImagePullBackOff",
        'Back-off pulling image "registry.example/phi:1": ErrImagePull: manifest unknown',
    )

    assert cause(backing_off) == cause(failed)


def test_a_crash_is_told_alike_while_it_waits_and_while_it_is_tried_again() -> None:
    end = {"exitCode": 1, "message": "boom"}
    waits = crashed(2, **end)
    again = container(state={"running": {}}, restartCount=2, lastState={"terminated": end})

    assert cause(again).message == cause(waits).message == cause(crashed(1, **end)).message


def test_a_pull_counts_as_lasting_after_a_minute() -> None:
    refused = waiting("ErrImagePull", "no such host")
    early = cause(refused, now=BEGAN + timedelta(seconds=59))

    assert not early.lasting
    assert early.until == BEGAN + timedelta(seconds=60)
    assert cause(refused, now=BEGAN + timedelta(seconds=60)).lasting


def test_a_crash_counts_as_lasting_after_three_restarts() -> None:
    assert [cause(crashed(restarts)).lasting for restarts in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("ran_seconds", "reason"),
    [
        (1789, "ContainerCrashLoopBackOff"),
        (1790, "StartupProbeFailed"),
        (1800 + 30, "StartupProbeFailed"),
        (86_400, "ContainerCrashLoopBackOff"),
    ],
    ids=["before it", "at its last failure", "after its grace period", "after a day"],
)
def test_a_container_that_was_ended_at_its_limit_never_passed_its_probe(
    ran_seconds: int, reason: str
) -> None:
    probe = {"periodSeconds": 10, "failureThreshold": 180}

    assert cause(ran_for(ran_seconds), probe=probe).reason == reason


def test_a_probe_that_says_nothing_has_the_api_servers_pace() -> None:
    probe = {"initialDelaySeconds": 100}

    reasons = [cause(ran_for(seconds), probe=probe).reason for seconds in (119, 120)]

    assert reasons == ["ContainerCrashLoopBackOff", "StartupProbeFailed"]


def test_a_container_without_a_startup_probe_never_failed_it() -> None:
    assert cause(ran_for(1800)).reason == "ContainerCrashLoopBackOff"


@pytest.mark.parametrize(
    ("ran_seconds", "end", "words"),
    [
        (19, {}, "kubectl logs --previous` of the pod"),
        (20, {}, "its liveness probe did not pass: `kubectl describe pod`"),
        (86_400, {}, "its liveness probe did not pass: `kubectl describe pod`"),
        (86_400, {"exitCode": 137}, "its liveness probe did not pass: `kubectl describe pod`"),
        (86_400, {"exitCode": 1}, "kubectl logs --previous` of the pod"),
        (86_400, {"exitCode": 137, "reason": "OOMKilled"}, "more memory"),
    ],
    ids=["too early", "at its third failure", "later", "killed", "crashed", "out of memory"],
)
def test_an_end_by_a_signal_names_the_liveness_probe_where_there_is_one(
    ran_seconds: int, end: dict[str, Any], words: str
) -> None:
    alive = {"spec": {"containers": [{"name": "w", "livenessProbe": {"exec": {}}}]}}
    ended = ran_for(ran_seconds, **end)

    found = first_cause([ended], now=WAITING_LONG, spec=ReplicaSpec(template=alive))

    assert found
    assert words in found.message
    assert "liveness" not in cause(ended).message


def test_only_the_end_of_a_long_log_is_told() -> None:
    log = "\n".join(f"line {number}" for number in range(1000)) + "\n" + "x" * 5000

    message = cause(crashed(message=log)).message

    assert "line 990" not in message
    assert len(message) < 700


def test_the_pod_of_the_first_name_speaks_for_all_and_one_that_ends_for_none() -> None:
    first = waiting("ErrImagePull", "gone")
    second = first.model_copy(update={"metadata": first.metadata.model_copy(update={"name": "q"})})
    ending = first.model_copy(
        update={"metadata": first.metadata.model_copy(update={"deletion_timestamp": BEGAN})}
    )

    assert cause(second, first) == cause(first, second) == cause(first)
    assert first_cause([ending], now=WAITING_LONG) is None


def test_the_successor_of_a_pod_that_was_evicted_speaks_first() -> None:
    evicted = named("w-0", pod(phase="Failed", reason="Evicted", message="too full"))

    assert "pod w-1" in cause(evicted, named("w-1", crashed())).message
    assert "too full" in cause(evicted, named("w-1", pod(phase="Running"))).message


def test_of_a_group_the_pod_that_failed_speaks_and_not_those_that_it_left_alone() -> None:
    # 75 is what presets/inference/group.py exits with when another pod is gone.
    left, failed = named("w-0", crashed(exitCode=75)), named("w-1", crashed(exitCode=2))

    assert "pod w-1" in cause(left, failed).message
    assert "exit code 2" in cause(left, failed).message
    assert "pod w-0" in cause(left).message


def test_a_pod_that_only_waits_for_a_lost_one_is_not_sick() -> None:
    again = container(state={"running": {}}, lastState={"terminated": {"exitCode": 75}})

    assert first_cause([named("w-0", again)], now=WAITING_LONG) is None


def test_what_may_pass_by_itself_is_not_terminal() -> None:
    lasting = {"ImagePullError", "ContainerStartError", "ContainerCrashLoopBackOff"}

    assert lasting < set(TERMINAL)
    assert not {"Unschedulable", "NotAnswering", "PodEvicted"} & set(TERMINAL)
