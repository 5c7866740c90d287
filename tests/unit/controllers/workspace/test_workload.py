"""When a Deployment serves, and what is said while it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.api.workspace import INFERENCE_READY
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Action, Apply, Create, Step
from kaito.controllers.workspace.workload import (
    ensure_service,
    ensure_workload,
    is_serving,
    wanted_workload,
)
from kaito.kube.kinds import Deployment, Pod
from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    NOW,
    node,
    observed,
    pod_on,
    workspace,
)
from tests.unit.workloads.wire import at

ten_seconds = timedelta(seconds=10)
ALL_READY = {
    "observedGeneration": 3,
    "replicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "updatedReplicas": 1,
}


def deployed(**status: int) -> Deployment:
    """A Deployment whose spec is at generation 3, with that status."""
    return Deployment.model_validate(
        {"metadata": {"name": "w", "generation": 3}, "spec": {"replicas": 1}, "status": status}
    )


def test_a_deployment_serves_when_every_pod_is_new_and_ready() -> None:
    assert is_serving(deployed(**ALL_READY), count=1)


@pytest.mark.parametrize(
    "lag",
    [
        pytest.param({"observedGeneration": 2}, id="its controller has not seen the spec"),
        pytest.param({"readyReplicas": 0, "availableReplicas": 0}, id="the pod loads"),
        pytest.param({"availableReplicas": 0}, id="the pod has been ready for a moment"),
        pytest.param({"updatedReplicas": 0}, id="the pod is of the old revision"),
        pytest.param({"replicas": 2}, id="an old pod is still there"),
        pytest.param(
            {"replicas": 0, "readyReplicas": 0, "availableReplicas": 0, "updatedReplicas": 0},
            id="no pod",
        ),
    ],
)
def test_a_deployment_that_lags_behind_does_not_serve(lag: Mapping[str, int]) -> None:
    assert not is_serving(deployed(**{**ALL_READY, **lag}), count=1)


def look(*pods: Pod, told: Condition | None = None) -> Step:
    """What the phase says of a Deployment that matches the spec and whose pods are these.

    Args:
        pods: of it.
        told: what the Workspace says already.
    """
    seen = observed(nodes=(node({"apps": "phi"}, name="n1"),))
    if told:
        status = seen.workspace.status.model_copy(update={"conditions": (told,)})
        seen = replace(seen, workspace=seen.workspace.model_copy(update={"status": status}))
    return ensure_workload(
        replace(seen, deployment=Deployment.model_validate(wanted_workload(seen)), pods=pods)
    )


def pod(name: str, reason: str, message: str = "", *, kind: str = "containerStatuses") -> Pod:
    waiting = {"waiting": {"reason": reason, "message": message}}
    return Pod.model_validate(
        {"metadata": {"name": name}, "status": {kind: [{"name": "c", "state": waiting}]}}
    )


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_will_not_run_is_named_with_the_kubelet_s_words(kind: str) -> None:
    step = look(pod("p", "ErrImagePull", "not found", kind=kind))

    assert step.reason == "ImagePullError"
    assert "pod p" in step.message
    assert "not found" in step.message
    assert not step.satisfied
    assert step.actions == ()


def test_a_cause_stays_told_while_the_kubelet_that_knew_it_backs_off() -> None:
    first = look(pod("p", "ErrImagePull", "not found"))
    told = Condition(
        type=INFERENCE_READY, status="False", reason=first.reason, message=first.message
    )

    later = look(pod("p", "ImagePullBackOff", 'Back-off pulling image "i"'), told=told)

    assert later.message == first.message


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_that_only_takes_its_time_is_no_failure(reason: str) -> None:
    step = look(pod("p", reason))

    assert step.reason == "WorkloadProgressing"
    assert step.message == "0 of 1 pods are ready"


def test_that_the_pods_of_a_workload_take_their_time_is_not_told_while_it_is_a_moment_old() -> None:
    def told_after(seconds: float | None) -> bool:
        seen = observed(nodes=(node({"apps": "phi"}, name="n1"),))
        made = Deployment.model_validate(wanted_workload(seen))
        since = None if seconds is None else NOW - timedelta(seconds=seconds)
        metadata = made.metadata.model_copy(update={"creation_timestamp": since})
        made = made.model_copy(update={"metadata": metadata})
        step = ensure_workload(replace(seen, deployment=made))
        assert step.told or step.recheck_seconds == 2
        return step.told

    assert [told_after(seconds) for seconds in (0, 1, 2)] == [False, False, True]
    assert told_after(-1), "our clock is behind"
    assert told_after(None), "nobody knows since when"


def test_a_pull_that_fails_for_a_minute_is_looked_at_again_then() -> None:
    fresh = pod("p", "ErrImagePull", "not found")
    begun = fresh.model_copy(
        update={"status": fresh.status.model_copy(update={"start_time": NOW - ten_seconds})}
    )

    step = look(begun)

    assert not step.lasting
    assert step.recheck_seconds == 50


def test_pods_that_the_api_server_refuses_are_told() -> None:
    seen = observed(nodes=(node({"apps": "phi"}, name="n1"),))
    failing = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    refused = {**wanted_workload(seen), "status": {"conditions": [failing]}}

    step = ensure_workload(replace(seen, deployment=Deployment.model_validate(refused)))

    assert step.reason == "PodsRefused"
    assert "exceeded quota: gpus" in step.message


def test_of_pods_that_are_refused_it_is_told_why_their_image_needs_root() -> None:
    preset = CATALOG.presets["phi"]
    image = preset.image.model_copy(update={"needs_root": "it writes to its own files"})
    catalog = Catalog({"phi": preset.model_copy(update={"images": (image,)})}, CATALOG.skus)
    seen = observed(nodes=(node({"apps": "phi"}, name="n1"),), catalog=catalog)
    failing = {"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}
    refused = {**wanted_workload(seen), "status": {"conditions": [failing]}}

    step = ensure_workload(replace(seen, deployment=Deployment.model_validate(refused)))

    assert "violates PodSecurity: the image of phi needs root (it writes to its own" in step.message
    assert "pod security level" in step.message


TEMPLATE = {"template": {"spec": {"containers": [{"name": "c", "image": "mine:1"}]}}}


def test_a_template_is_run_as_it_is_and_brings_its_own_service() -> None:
    bare = observed(workspace=workspace(inference=TEMPLATE))
    seen = replace(bare, nodes=(node({"apps": "phi"}, name="n1"),))

    service, step = ensure_service(seen), ensure_workload(seen)

    assert service.satisfied
    assert service.actions == ()
    (create,) = step.actions
    assert isinstance(create, Create)
    assert at(create.manifest, "spec", "template", "spec", "containers") == [
        {"name": "c", "image": "mine:1"}
    ]


def test_a_template_is_ready_when_its_pods_are() -> None:
    bare = observed(workspace=workspace(inference=TEMPLATE))
    seen = replace(bare, nodes=(node({"apps": "phi"}, name="n1"),))
    made = Deployment.model_validate({**wanted_workload(seen), "status": ALL_READY})

    assert ensure_workload(replace(seen, deployment=made)).satisfied


def test_a_template_is_not_applied_again_for_how_the_api_server_writes_its_quantities() -> None:
    def world(gpus: object, cpu: object, memory: object) -> Observed:
        limits = {"nvidia.com/gpu": gpus, "cpu": cpu, "memory": memory}
        container = {"name": "c", "image": "mine:1", "resources": {"limits": limits}}
        template = {"template": {"spec": {"containers": [container]}}}
        bare = observed(workspace=workspace(inference=template))
        return replace(bare, nodes=(node({"apps": "phi"}, name="n1"),))

    seen = world(1, 0.5, "1024Mi")
    wanted = wanted_workload(seen)

    def actions(*stored: object) -> tuple[Action, ...]:
        spec = wanted_workload(world(*stored))["spec"]
        found = Deployment.model_validate({**wanted, "spec": spec, "status": ALL_READY})
        return ensure_workload(replace(seen, deployment=found)).actions

    assert actions("1", "500m", "1Gi") == ()
    (apply,) = actions("2", "500m", "1Gi")
    assert isinstance(apply, Apply)


def test_a_pod_whose_node_was_deleted_answers_nobody_though_it_counts_as_ready() -> None:
    bare = observed(nodes=(node({"apps": "phi"}, name="n"),))
    made = Deployment.model_validate({**wanted_workload(bare), "status": ALL_READY})
    seen = replace(bare, deployment=made)
    lost, there = pod_on("gone"), pod_on("n")
    going = pod_on("gone", deletionTimestamp=NOW.isoformat())
    failed = lost.model_copy(update={"status": lost.status.model_copy(update={"phase": "Failed"})})

    step = ensure_workload(replace(seen, pods=(lost, there)))

    assert not step.satisfied
    assert step.message.startswith("pod w-5d9c-x is on node gone, which is gone: ")
    assert ensure_workload(replace(seen, pods=(there, going, failed))).satisfied
