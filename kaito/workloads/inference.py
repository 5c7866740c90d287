"""The Deployment that serves a preset."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.kube.kinds import DEPLOYMENTS
from kaito.kube.objects import Manifest
from kaito.nodes.selector import match_labels
from kaito.workloads.image import model_image
from kaito.workloads.owner import owned_metadata, pod_labels
from kaito.workloads.revision import revision

_PROBE_SECONDS = 2
_LIVENESS_SECONDS = 10
_GRACE_SECONDS = 60


def rendered_deployment(
    workspace: Workspace, preset: Preset, *, registry: str, gpus: int, dedicated: bool
) -> Manifest:
    """The Deployment of an inference workspace, annotated with its own revision.

    Args:
        workspace: has `inference.preset`.
        preset: the model that it names.
        registry: where public images are, "" for none.
        gpus: GPUs that each pod asks for.
        dedicated: whether all nodes were created for this workspace; then pods go nowhere else.
    """
    spec: Manifest = {
        "replicas": workspace.resource.count,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": preset.readiness_timeout_seconds,
        # A new pod cannot start beside the old one: the node's GPUs are taken.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
        },
        "selector": {"matchLabels": pod_labels(workspace)},
        "template": {
            "metadata": {"labels": pod_labels(workspace)},
            "spec": _pod(workspace, preset, registry=registry, gpus=gpus, dedicated=dedicated),
        },
    }
    return {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "metadata": owned_metadata(workspace, annotations={labels.REVISION: revision(spec)}),
        "spec": spec,
    }


def _pod(
    workspace: Workspace, preset: Preset, *, registry: str, gpus: int, dedicated: bool
) -> Manifest:
    """Spec of the pods."""
    image = model_image(workspace, preset, registry=registry)
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "imagePullSecrets": [{"name": name} for name in image.pull_secrets],
        "affinity": _affinity(workspace, dedicated=dedicated),
        "tolerations": [
            {"key": labels.GPU, "operator": "Exists", "effect": "NoSchedule"},
            {
                "key": labels.SKU_TAINT_KEY,
                "operator": "Equal",
                "value": labels.SKU_TAINT_VALUE,
                "effect": "NoSchedule",
            },
        ],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(workspace, preset, image=image.reference, gpus=gpus)],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
    }


def _container(workspace: Workspace, preset: Preset, *, image: str, gpus: int) -> Manifest:
    """The model server."""
    resources = {labels.GPU: str(gpus)}
    return {
        "name": workspace.metadata.name,
        "image": image,
        "command": list(preset.command),
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {
            **_probe(preset, every_seconds=_PROBE_SECONDS),
            "failureThreshold": preset.readiness_timeout_seconds // _PROBE_SECONDS,
        },
        "readinessProbe": _probe(preset, every_seconds=_PROBE_SECONDS),
        "livenessProbe": {
            **_probe(preset, every_seconds=_LIVENESS_SECONDS),
            "failureThreshold": 6,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}],
    }


def _probe(preset: Preset, *, every_seconds: int) -> dict[str, object]:
    """A look at the server's health; a busy server may take its time to answer."""
    return {
        "httpGet": {"path": preset.health_path, "port": preset.port},
        "periodSeconds": every_seconds,
        "timeoutSeconds": 5,
    }


def _affinity(workspace: Workspace, *, dedicated: bool) -> Manifest:
    """Pods run on nodes with the selector's labels; on our own ones where there are such."""
    wanted = match_labels(workspace.resource.label_selector)
    if dedicated:
        wanted[labels.CREATED_FOR] = workspace.metadata.uid
    expressions = [
        {"key": key, "operator": "In", "values": [value]} for key, value in sorted(wanted.items())
    ]
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": expressions}]
            }
        }
    }
