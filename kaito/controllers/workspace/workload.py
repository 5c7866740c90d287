"""Phases that see to what runs on the nodes: the Services and the workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import INFERENCE_READY
from kaito.catalog.preset import Preset
from kaito.controllers.workspace.nodes import model, wanted_gpus, wanted_sku
from kaito.controllers.workspace.observe import ENDED, Observed
from kaito.controllers.workspace.step import Apply, Create, Delete, Step, done, hold
from kaito.kube.conditions import condition
from kaito.kube.kinds import (
    DEPLOYMENTS,
    SERVICES,
    STATEFULSETS,
    Deployment,
    Pod,
    Service,
    StatefulSet,
)
from kaito.kube.objects import KubeModel, KubeObject, Manifest
from kaito.kube.resource import Resource
from kaito.workloads.cause import Cause
from kaito.workloads.diagnosis import first_cause
from kaito.workloads.drift import is_covered
from kaito.workloads.group import is_group, leader_name, meeting_ports
from kaito.workloads.headless import rendered_headless
from kaito.workloads.inference import Ground, rendered_inference
from kaito.workloads.mounting import PODLESS_SECONDS
from kaito.workloads.service import rendered_service
from kaito.workloads.template import rendered_template

Workload = Deployment | StatefulSet

_SILENCE_SECONDS = 2.0
"""How long a workload may be there before people are told that its pods are not ready yet."""


def ensure_service(seen: Observed) -> Step:
    """The address exists under which the model will answer; a template brings its own."""
    preset = model(seen)
    if preset is None:
        return done(
            INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, "the template has its own Service"
        )
    services = _services(seen, preset)
    missing = [manifest for manifest, found in services if found is None]
    if missing:
        message = f"creating Service {', '.join(_name(manifest) for manifest in missing)}"
        if seen.is_addressed and not _is_group(seen, preset):
            waits = hold(INFERENCE_READY, Reason.APPLYING, message)
            return replace(waits, holds_up=False, told=False)
        uid = seen.workspace.metadata.uid
        creations = (Create(SERVICES, manifest, uid) for manifest in missing)
        step = hold(INFERENCE_READY, Reason.APPLYING, message, *creations)
        return replace(step, holds_up=False)
    step = done(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, "the Service exists")
    for manifest, found in services:
        step = _mended(step, Apply(SERVICES, manifest, found), found.spec) if found else step
    return step


def _services(seen: Observed, preset: Preset) -> tuple[tuple[Manifest, Service | None], ...]:
    """The Services that there are to be, each with the one that is there."""
    workspace, port = seen.workspace, preset.port
    if not _is_group(seen, preset):
        return ((rendered_service(workspace, target_port=port), seen.service),)
    own = rendered_service(workspace, target_port=port, leader=leader_name(workspace))
    headless = rendered_headless(workspace, ports=meeting_ports(preset.image))
    return (headless, seen.headless), (own, seen.service)


def _is_group(seen: Observed, preset: Preset) -> bool:
    """Whether the nodes serve one copy of the model together."""
    return is_group(preset, wanted_sku(seen), nodes=seen.workspace.resource.count)


def ensure_workload(seen: Observed) -> Step:
    """The workload matches the spec and its pods answer."""
    wanted = wanted_workload(seen)
    if wanted["kind"] == STATEFULSETS.kind:
        return _unless_followed(seen.deployment, DEPLOYMENTS) or _ensured(
            seen, wanted, seen.stateful_set, STATEFULSETS
        )
    return _unless_followed(seen.stateful_set, STATEFULSETS) or _ensured(
        seen, wanted, seen.deployment, DEPLOYMENTS
    )


def _unless_followed(former: Workload | None, resource: Resource[KubeObject]) -> Step | None:
    """Give back what ran the pods in another way: the GPUs are wanted for its successor."""
    if former is None:
        return None
    actions = () if former.is_deleting else (Delete(resource, former),)
    message = f"replacing {resource.kind} {former.metadata.name} by one of another Kind"
    return hold(INFERENCE_READY, Reason.APPLYING, message, *actions)


def _ensured(
    seen: Observed, wanted: Manifest, found: Workload | None, resource: Resource[KubeObject]
) -> Step:
    """The workload of the Kind that is to be."""
    what = f"{resource.kind} {_name(wanted)}"
    if found is None:
        create = Create(resource, wanted, seen.workspace.metadata.uid)
        return hold(INFERENCE_READY, Reason.APPLYING, f"creating {what}", create)
    apply = Apply(resource, wanted, found)
    if _revision(found.metadata.annotations) != _revision(_annotations(wanted)):
        return hold(INFERENCE_READY, Reason.APPLYING, f"applying {what}", apply)
    return _mended(_progress(seen, found), apply, found.spec)


def _progress(seen: Observed, workload: Workload) -> Step:
    """How far the present revision is."""
    count = seen.workspace.resource.count
    if is_serving(workload, count=count):
        return _stranded(seen) or done(INFERENCE_READY, Reason.WORKLOAD_READY, "the model answers")
    cause = _refusal(seen, workload) or first_cause(
        seen.pods,
        now=seen.now,
        spec=workload.spec,
        complaints=seen.complaints,
    )
    message = f"{workload.status.available_replicas} of {count} pods are ready"
    if cause is None:
        message = _settling(workload, count=count) or message
        step = hold(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, message)
        is_new = 0 <= _age_seconds(seen, workload) < _SILENCE_SECONDS
        return replace(step, told=False, recheck_seconds=_SILENCE_SECONDS) if is_new else step
    cause = cause.recalled(condition(seen.workspace.status.conditions, INFERENCE_READY))
    step = hold(INFERENCE_READY, cause.reason, f"{message}: {cause.message}")
    left = (cause.until - seen.now).total_seconds() if cause.until else 0
    return replace(step, lasting=cause.lasting, recheck_seconds=left if left > 0 else None)


def _stranded(seen: Observed) -> Step | None:
    """That a pod counts as ready whose Node somebody has deleted: no kubelet says otherwise."""
    pod = next(iter(stranded(seen)), None)
    if pod is None:
        return None
    message = (
        f"pod {pod.metadata.name} is on node {pod.spec.node_name}, which is gone: Kubernetes gives"
        " it up within a minute or two, and another follows"
    )
    return hold(INFERENCE_READY, Reason.WORKLOAD_PROGRESSING, message)


def stranded(seen: Observed) -> tuple[Pod, ...]:
    """Pods that are to stay, and whose node is not in the cluster any more."""
    there = {"", *(node.metadata.name for node in seen.nodes)}
    kept = (pod for pod in seen.pods if not pod.is_deleting and pod.status.phase not in ENDED)
    return tuple(pod for pod in kept if pod.spec.node_name not in there)


def _settling(workload: Workload, *, count: int) -> str:
    """That pods are ready, and not yet for long enough; "" where that is not all."""
    status, seconds = workload.status, workload.spec.min_ready_seconds
    if status.ready_replicas == status.available_replicas:
        return ""
    return f"{status.available_replicas} of {count} pods have been ready for {seconds} seconds"


def _age_seconds(seen: Observed, workload: Workload) -> float:
    """How long a workload has been there; of one that does not say so, very long."""
    since = workload.metadata.creation_timestamp
    return (seen.now - since).total_seconds() if since else float("inf")


def _refusal(seen: Observed, workload: Workload) -> Cause | None:
    """Why the API server admits no pods, as far as the workload's controller says."""
    found = condition(workload.status.conditions, "ReplicaFailure")
    if found and found.status == "True":
        message = f"the API server refuses the pods: {found.message}{_root(seen)}"
        return Cause(Reason.PODS_REFUSED, message, lasting=True)
    created = workload.metadata.creation_timestamp
    if not isinstance(workload, StatefulSet) or workload.status.replicas or created is None:
        return None
    until = created + timedelta(seconds=PODLESS_SECONDS)
    if seen.now < until:
        return Cause(Reason.WORKLOAD_PROGRESSING, "no pod is made yet", until=until)
    if why := seen.complaints.get(workload.metadata.name):
        message = f"the API server refuses the pods: {why}{_root(seen)}"
        return Cause(Reason.PODS_REFUSED, message, lasting=True)
    said = f"`kubectl describe statefulset {workload.metadata.name}` says why no pod can be made"
    return Cause(Reason.PODS_REFUSED, f"{said}{_root(seen)}")


def _root(seen: Observed) -> str:
    """What a namespace's pod security level may have against a model; "" if nothing."""
    preset = model(seen)
    why = preset.image.needs_root if preset else None
    if preset is None or why is None:
        return ""
    return (
        f": the image of {preset.name} needs root ({why}): take a namespace whose pod security"
        " level allows that, or another preset"
    )


def _mended(step: Step, apply: Apply, found: KubeModel) -> Step:
    """The step, and what mends an object that somebody else has changed.

    It does not hold the step up: an admission webhook may insist on its change for ever.
    """
    wire = found.model_dump(by_alias=True, mode="json")
    spec, metadata = apply.manifest["spec"], apply.manifest["metadata"]
    read = (
        {key: value for key, value in spec.items() if key in wire} if isinstance(spec, dict) else {}
    )
    carried = metadata.get("labels") if isinstance(metadata, dict) else {}
    is_as_it_was = is_covered(read, wire) and is_covered(carried, apply.seen.metadata.labels)
    return step if is_as_it_was else replace(step, actions=(*step.actions, apply))


def wanted_workload(seen: Observed) -> Manifest:
    """The workload as the spec and the chosen nodes would have it."""
    preset = model(seen)
    if preset is None:
        return rendered_template(seen.workspace)
    ground = Ground(gpus=wanted_gpus(seen), sku=wanted_sku(seen))
    options = seen.options
    return rendered_inference(
        seen.workspace, preset, registry=options.registry, ground=ground, carrier=options.carrier
    )


def is_serving(workload: Workload, *, count: int) -> bool:
    """Whether `count` pods, all of the present revision, are ready, and have been long enough."""
    status = workload.status
    return (
        status.observed_generation >= workload.metadata.generation
        and status.updated_replicas == status.replicas == workload.spec.replicas == count
        and status.ready_replicas == status.available_replicas == count
    )


def _name(manifest: Manifest) -> str:
    """Name of a rendered object."""
    metadata = manifest["metadata"]
    return str(metadata["name"]) if isinstance(metadata, dict) else ""


def _annotations(manifest: Manifest) -> dict[str, str]:
    """Annotations of a rendered object."""
    metadata = manifest["metadata"]
    return dict(metadata["annotations"]) if isinstance(metadata, dict) else {}


def _revision(annotations: Mapping[str, str]) -> str:
    """The revision that annotations carry."""
    return annotations.get(labels.REVISION, "")
