"""Phases that see to what runs on the nodes: the Service and the Deployment."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import INFERENCE_READY
from kaito.controllers.workspace.nodes import brought_nodes, chosen_nodes, model
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Apply, Step, done, hold
from kaito.kube.kinds import DEPLOYMENTS, SERVICES, ContainerStatus, Deployment, Pod
from kaito.kube.objects import Manifest
from kaito.nodes.selection import gpus
from kaito.workloads.inference import rendered_deployment
from kaito.workloads.service import rendered_service

_FAILING = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons with which a kubelet says that a container will not run by waiting alone."""


def ensure_service(seen: Observed) -> Step:
    """The address exists under which the model will answer."""
    if seen.service is None:
        service = rendered_service(seen.workspace, target_port=model(seen).port)
        message = f"creating Service {seen.workspace.metadata.name}"
        return hold(INFERENCE_READY, Reason.APPLYING, message, Apply(SERVICES, service))
    return done(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, "the Service exists")


def ensure_workload(seen: Observed) -> Step:
    """The Deployment matches the spec and its pods answer."""
    wanted = wanted_deployment(seen)
    if seen.deployment is None or _revision(seen.deployment.metadata.annotations) != _revision(
        _annotations(wanted)
    ):
        message = f"applying Deployment {seen.workspace.metadata.name}"
        return hold(INFERENCE_READY, Reason.APPLYING, message, Apply(DEPLOYMENTS, wanted))
    if is_serving(seen.deployment):
        return done(INFERENCE_READY, Reason.WORKLOAD_READY, "the model answers")
    trouble = _trouble(seen)
    if trouble:
        return hold(INFERENCE_READY, Reason.WORKLOAD_FAILING, trouble)
    status = seen.deployment.status
    return hold(
        INFERENCE_READY,
        Reason.WORKLOAD_PROGRESSING,
        f"{status.ready_replicas} of {seen.deployment.spec.replicas} pods are ready",
    )


def wanted_deployment(seen: Observed) -> Manifest:
    """The Deployment as the spec and the chosen nodes would have it."""
    return rendered_deployment(
        seen.workspace,
        model(seen),
        registry=seen.options.registry,
        gpus=min(gpus(node) for node in chosen_nodes(seen)),
        dedicated=not brought_nodes(seen),
    )


def is_serving(deployment: Deployment) -> bool:
    """Whether every pod of the present revision is ready."""
    status = deployment.status
    return (
        status.observed_generation >= deployment.metadata.generation
        and status.updated_replicas == status.replicas == deployment.spec.replicas
        and status.ready_replicas == deployment.spec.replicas
    )


def _trouble(seen: Observed) -> str:
    """What a kubelet says about containers that will not run, "" when nothing is wrong."""
    said = [
        f"pod {pod.metadata.name}: {container.name}: {waiting.reason}: {waiting.message}".rstrip(
            ": "
        )
        for pod in seen.pods
        for container in _containers(pod)
        if (waiting := container.state.waiting) and waiting.reason in _FAILING
    ]
    return "; ".join(sorted(said))


def _containers(pod: Pod) -> tuple[ContainerStatus, ...]:
    """Every container of a pod, the init containers first."""
    return (*pod.status.init_container_statuses, *pod.status.container_statuses)


def _annotations(manifest: Manifest) -> dict[str, str]:
    """Annotations of a rendered object."""
    metadata = manifest["metadata"]
    return dict(metadata["annotations"]) if isinstance(metadata, dict) else {}


def _revision(annotations: dict[str, str]) -> str:
    """The revision that annotations carry."""
    return annotations.get(labels.REVISION, "")
