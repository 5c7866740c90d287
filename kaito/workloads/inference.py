"""What serves a preset: a Deployment of copies, or a StatefulSet of pods that serve together."""

from __future__ import annotations

from dataclasses import dataclass

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Image, Preset
from kaito.catalog.sku import Sku
from kaito.kube.objects import Manifest
from kaito.workloads.adapters import with_adapters
from kaito.workloads.carrier import HUB_KEY, PLAIN_CARRIER, Carrier
from kaito.workloads.deployment import deployment_of
from kaito.workloads.group import (
    group_command,
    group_environment,
    group_probes,
    is_group,
    leader_host,
    meeting_ports,
)
from kaito.workloads.hub import discretion, with_hub
from kaito.workloads.image import ModelImage, model_image, preset_of
from kaito.workloads.launch import launch_command
from kaito.workloads.owner import pod_labels
from kaito.workloads.placement import TOLERATIONS, affinity, apart
from kaito.workloads.security import container_security, home, pod_security, writable_folders
from kaito.workloads.statefulset import stateful_set_of

_PROBE_SECONDS = 2
_LIVENESS_SECONDS = 10
_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ground:
    """What pods run on.

    Attributes:
        gpus: that each pod asks for.
        sku: type of the nodes, for figures on the command line; None where no table has it.
    """

    gpus: int
    sku: Sku | None = None


def rendered_inference(
    workspace: Workspace,
    preset: Preset,
    *,
    registry: str,
    ground: Ground,
    carrier: Carrier = PLAIN_CARRIER,
) -> Manifest:
    """The workload of an inference workspace, annotated with its own revision.

    A model that fits one node is served by a copy on each; one that does not, by all together.

    Args:
        workspace: has `inference.preset`.
        preset: the model that it names.
        registry: where public images are, "" for none.
        ground: what the pods run on.
        carrier: how they reach registries and hubs.
    """
    count = workspace.resource.count
    image = model_image(workspace, preset, registry=registry)
    if is_group(preset, ground.sku, nodes=count):
        template = _template(workspace, preset, image, ground, nodes=count)
        return stateful_set_of(workspace, _connected(template, workspace, preset.image, carrier))
    template = _template(workspace, preset, image, ground, nodes=1)
    template = _connected(template, workspace, preset.image, carrier)
    return deployment_of(workspace, template, deadline_seconds=preset.readiness_timeout_seconds)


def _connected(
    template: Manifest, workspace: Workspace, image: Image, carrier: Carrier
) -> Manifest:
    """The template of pods that reach the hub and the adapters' registries."""
    return with_adapters(with_hub(template, image, carrier), workspace, image, carrier)


def _template(
    workspace: Workspace, preset: Preset, image: ModelImage, ground: Ground, *, nodes: int
) -> Manifest:
    """The pods' template, where `nodes` of them serve one copy."""
    command = launch_command(preset, ground.sku, nodes=nodes, gpus=ground.gpus)
    server = _container(workspace, preset, command=command, image=image.reference, gpus=ground.gpus)
    if nodes > 1:
        server = _joined(workspace, preset, server, command=command)
    return {
        "metadata": {"labels": pod_labels(workspace)},
        "spec": {
            **_pod(workspace, preset.image),
            "imagePullSecrets": [{"name": name} for name in image.pull_secrets],
            "containers": [server],
            "volumes": _volumes(preset.image),
        },
    }


def _joined(
    workspace: Workspace, preset: Preset, server: Manifest, *, command: list[str]
) -> Manifest:
    """The container of a server that is one of several."""
    image, leader = preset.image, leader_host(workspace)
    ports = [
        {"name": name, "containerPort": port, "protocol": "TCP"}
        for name, port in meeting_ports(image).items()
    ]
    return {
        **server,
        "command": group_command(preset, command, nodes=workspace.resource.count, leader=leader),
        "env": [*_list(server, "env"), *group_environment(image)],
        "ports": [*_list(server, "ports"), *ports],
        **group_probes(image, leader=leader),
    }


def _list(server: Manifest, key: str) -> list[object]:
    """A list of the container."""
    found = server[key]
    return list(found) if isinstance(found, list) else []


def _pod(workspace: Workspace, image: Image) -> Manifest:
    """Spec of the pods, without what depends on the image."""
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "affinity": {
            **affinity(workspace),
            **(apart(workspace) if workspace.resource.count > 1 else {}),
        },
        "tolerations": list(TOLERATIONS),
        "securityContext": pod_security(image),
    }


def _container(
    workspace: Workspace, preset: Preset, *, command: list[str], image: str, gpus: int
) -> Manifest:
    """The model server."""
    resources = {labels.GPU: str(gpus)}
    return {
        "name": workspace.metadata.name,
        "image": image,
        "command": command,
        "env": [
            *_environment(workspace, preset.image),
            *discretion(preset.image),
            *home(preset.image),
        ],
        "ports": [{"name": "http", "containerPort": preset.port, "protocol": "TCP"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": container_security(preset.image),
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
        "volumeMounts": _mounts(preset.image),
        **_hooks(preset.image),
    }


def _environment(workspace: Workspace, image: Image) -> list[Manifest]:
    """The hub's token, out of the user's own secret: the operator never reads it."""
    wanted = preset_of(workspace)
    secret = wanted.preset_options.model_access_secret if wanted else None
    if not (secret and image.token_variable):
        return []
    source = {"secretKeyRef": {"name": secret, "key": HUB_KEY}}
    return [{"name": image.token_variable, "valueFrom": source}]


def _volumes(image: Image) -> list[Manifest]:
    """Shared memory for torch, room for weights that are fetched at every start, and for caches."""
    volumes: list[Manifest] = [{"name": "dshm", "emptyDir": {"medium": "Memory"}}]
    volumes += [{"name": name, "emptyDir": {}} for name in writable_folders(image)]
    if image.weights == "hub":
        volumes.append({"name": "weights", "emptyDir": {}})
    return volumes


def _mounts(image: Image) -> list[Manifest]:
    """Where those volumes are seen."""
    mounts: list[Manifest] = [{"name": "dshm", "mountPath": "/dev/shm"}]
    mounts += [{"name": name, "mountPath": at} for name, at in writable_folders(image).items()]
    if image.weights == "hub":
        mounts.append({"name": "weights", "mountPath": image.weights_path})
    return mounts


def _hooks(image: Image) -> Manifest:
    """What ends a server that SIGTERM does not reach."""
    if not image.pre_stop:
        return {}
    return {"lifecycle": {"preStop": {"exec": {"command": list(image.pre_stop)}}}}


def _probe(preset: Preset, *, every_seconds: int) -> dict[str, object]:
    """A look at the server's health; a busy server may take its time to answer."""
    return {
        "httpGet": {"path": preset.health_path, "port": preset.port},
        "periodSeconds": every_seconds,
        "timeoutSeconds": 5,
    }
