"""Phases that see to what runs on the nodes: the Service and the Deployment."""

from __future__ import annotations

from dataclasses import replace

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import INFERENCE_READY
from kaito.controllers.workspace.nodes import is_dedicated, model, wanted_gpus, wanted_sku
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Apply, Create, Step, done, hold
from kaito.kube.conditions import condition
from kaito.kube.kinds import DEPLOYMENTS, SERVICES, Deployment
from kaito.kube.objects import KubeModel, Manifest
from kaito.workloads.diagnosis import Cause, first_cause
from kaito.workloads.drift import is_covered
from kaito.workloads.inference import rendered_deployment
from kaito.workloads.service import rendered_service
from kaito.workloads.template import rendered_template


def ensure_service(seen: Observed) -> Step:
    """The address exists under which the model will answer; a template brings its own."""
    preset = model(seen)
    if preset is None:
        return done(
            INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, "the template has its own Service"
        )
    wanted = rendered_service(seen.workspace, target_port=preset.port)
    if seen.service is None:
        message = f"creating Service {seen.workspace.metadata.name}"
        create = Create(SERVICES, wanted, seen.workspace.metadata.uid)
        return hold(INFERENCE_READY, Reason.APPLYING, message, create)
    step = done(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, "the Service exists")
    return _mended(step, Apply(SERVICES, wanted, seen.service), seen.service.spec)


def ensure_workload(seen: Observed) -> Step:
    """The Deployment matches the spec and its pods answer."""
    wanted = wanted_deployment(seen)
    name = seen.workspace.metadata.name
    if seen.deployment is None:
        create = Create(DEPLOYMENTS, wanted, seen.workspace.metadata.uid)
        return hold(INFERENCE_READY, Reason.APPLYING, f"creating Deployment {name}", create)
    apply = Apply(DEPLOYMENTS, wanted, seen.deployment)
    if _revision(seen.deployment.metadata.annotations) != _revision(_annotations(wanted)):
        return hold(INFERENCE_READY, Reason.APPLYING, f"applying Deployment {name}", apply)
    return _mended(_progress(seen, seen.deployment), apply, seen.deployment.spec)


def _progress(seen: Observed, deployment: Deployment) -> Step:
    """How far the present revision is."""
    count = seen.workspace.resource.count
    if is_serving(deployment, count=count):
        return done(INFERENCE_READY, Reason.WORKLOAD_READY, "the model answers")
    preset = model(seen)
    patience = preset.readiness_timeout_seconds if preset else None
    cause = _refusal(deployment) or first_cause(seen.pods, now=seen.now, startup_seconds=patience)
    message = f"{deployment.status.ready_replicas} of {count} pods are ready"
    if cause is None:
        return hold(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, message)
    step = hold(INFERENCE_READY, cause.reason, f"{message}: {cause.message}")
    left = (cause.until - seen.now).total_seconds() if cause.until else 0
    return replace(step, lasting=cause.lasting, recheck_seconds=left if left > 0 else None)


def _refusal(deployment: Deployment) -> Cause | None:
    """Why the API server admits no pods, as the Deployment's controller was told."""
    found = condition(deployment.status.conditions, "ReplicaFailure")
    if found is None or found.status != "True":
        return None
    message = f"the API server refuses the pods: {found.message}"
    return Cause(Reason.PODS_REFUSED, message, lasting=True)


def _mended(step: Step, apply: Apply, found: KubeModel) -> Step:
    """The step, and what mends an object that somebody else has changed.

    It does not hold the step up: an admission webhook may insist on its change for ever.
    """
    wire = found.model_dump(by_alias=True, mode="json")
    spec = apply.manifest["spec"]
    read = (
        {key: value for key, value in spec.items() if key in wire} if isinstance(spec, dict) else {}
    )
    return step if is_covered(read, wire) else replace(step, actions=(*step.actions, apply))


def wanted_deployment(seen: Observed) -> Manifest:
    """The Deployment as the spec and the chosen nodes would have it."""
    preset = model(seen)
    if preset is None:
        return rendered_template(seen.workspace, dedicated=is_dedicated(seen))
    return rendered_deployment(
        seen.workspace,
        preset,
        registry=seen.options.registry,
        gpus=wanted_gpus(seen),
        dedicated=is_dedicated(seen),
        sku=wanted_sku(seen),
    )


def is_serving(deployment: Deployment, *, count: int) -> bool:
    """Whether `count` pods, all of the present revision, are ready."""
    status = deployment.status
    return (
        status.observed_generation >= deployment.metadata.generation
        and status.updated_replicas == status.replicas == deployment.spec.replicas == count
        and status.ready_replicas == count
    )


def _annotations(manifest: Manifest) -> dict[str, str]:
    """Annotations of a rendered object."""
    metadata = manifest["metadata"]
    return dict(metadata["annotations"]) if isinstance(metadata, dict) else {}


def _revision(annotations: dict[str, str]) -> str:
    """The revision that annotations carry."""
    return annotations.get(labels.REVISION, "")
