"""The pod that tunes a preset: presets/tuning in the model's own image, on one GPU.

docs/reference/tuning.md is the contract between this and the trainer.
"""

from __future__ import annotations

from kaito.api import labels
from kaito.api.spec import TuningSpec
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.workloads.carrier import (
    CA_FILE,
    SECRETS,
    Carrier,
    Item,
    carrier_mounts,
    carrier_volumes,
    carrying,
)
from kaito.workloads.hub import discretion
from kaito.workloads.image import model_image
from kaito.workloads.job import job_of
from kaito.workloads.owner import pod_labels
from kaito.workloads.placement import TOLERATIONS, affinity
from kaito.workloads.revision import revision
from kaito.workloads.security import container_security, home, pod_security, writable_folders

FETCHER = "data"
"""Name of the init container that fetches a data set out of an image."""
TRAINER = "trainer"
"""Name of the container whose termination message is the result."""
PORT = 5000
GPUS = 1
"""The trainer uses one GPU, however many its node has."""

_GRACE_SECONDS = 120
"""For a last checkpoint, and for its way to the registry."""
_CONFIG = "/mnt/config"
_DATA = "/mnt/data"
_DATA_MOUNT: Manifest = {"name": "data", "mountPath": _DATA}
_RESULTS = "/mnt/results"
_OUTPUT = "/mnt/output"
_HIDDEN = ".kaito-tuning"
"""Folder of the output volume that holds checkpoints while the tuning goes on."""
CONFIG_KEY = "training_config.yaml"


def run_of(workspace: Workspace) -> str:
    """Name of the run that the present spec asks for; another spec makes another run."""
    spec = workspace.tuning.model_dump(by_alias=True, mode="json") if workspace.tuning else {}
    return revision({"uid": workspace.metadata.uid, "tuning": spec})


def rendered_tuning(
    workspace: Workspace, preset: Preset, *, registry: str, carrier: Carrier
) -> Manifest:
    """The Job of a tuning workspace.

    Args:
        workspace: has `tuning`.
        preset: the base model that it names.
        registry: where public images are, "" for none.
        carrier: how registries and hubs are reached.

    Raises:
        ValueError: the workspace tunes nothing.
    """
    spec = workspace.tuning
    if spec is None:
        raise ValueError(f"{workspace.metadata.name} tunes nothing")
    image = model_image(workspace, preset, registry=registry)
    trainer = _trainer(workspace, spec, preset, carrier)
    template: Manifest = {
        "metadata": {"labels": pod_labels(workspace)},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "affinity": affinity(workspace),
            "tolerations": list(TOLERATIONS),
            "securityContext": pod_security(preset.image),
            "imagePullSecrets": [{"name": name} for name in image.pull_secrets],
            "initContainers": [
                carrying(carrier, FETCHER, ["pull", f"--to={_DATA}"], [item], _DATA_MOUNT)
                for item in input_items(spec)
            ],
            "containers": [{**trainer, "image": image.reference}],
            "volumes": [
                *_volumes(spec, preset),
                *carrier_volumes(carrier, (*input_items(spec), *output_items(spec))),
            ],
        },
    }
    return job_of(workspace, template, run=run_of(workspace))


def input_items(spec: TuningSpec) -> tuple[Item, ...]:
    """The image that holds the data set, where it is one."""
    source = spec.input
    if not source.image:
        return ()
    secrets = source.image_pull_secrets
    return (Item("tuning.input.image", "data", image=source.image, secrets=secrets),)


def output_items(spec: TuningSpec) -> tuple[Item, ...]:
    """The image that the adapter is pushed as, where it is."""
    output = spec.output
    if not output.image:
        return ()
    secrets = (output.image_push_secret,) if output.image_push_secret else ()
    return (Item("tuning.output.image", "push", image=output.image, secrets=secrets),)


def _trainer(workspace: Workspace, spec: TuningSpec, preset: Preset, carrier: Carrier) -> Manifest:
    """The container that tunes, and hands the adapter on."""
    resources = {labels.GPU: str(GPUS)}
    return {
        "name": TRAINER,
        "command": _command(workspace, spec, preset, carrier),
        "env": [
            {"name": "TUNING_URLS", "value": "\n".join(spec.input.urls)},
            *carrier.variables,
            *discretion(preset.image),
            *home(preset.image),
        ],
        "ports": [{"name": "metrics", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": container_security(preset.image),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*_mounts(spec, preset), *carrier_mounts(carrier, output_items(spec))],
    }


def _command(workspace: Workspace, spec: TuningSpec, preset: Preset, carrier: Carrier) -> list[str]:
    """The argument vector of the trainer; what is not asked for is left out."""
    output = spec.output
    has_volume = output.volume_source is not None
    options = {
        "method": spec.method.lower(),
        "base-model": preset.image.weights_path,
        "base-model-name": next(iter(preset.aliases), preset.name),
        "config": f"{_CONFIG}/{CONFIG_KEY}" if spec.config else "",
        "config-map": spec.config,
        "data-folder": _DATA,
        "work-folder": f"{_OUTPUT}/{_HIDDEN}" if has_volume else _RESULTS,
        "output-folder": _OUTPUT if has_volume else "",
        "output-image": output.image,
        "output-secret": output.image_push_secret,
        "secrets-folder": SECRETS,
        "ca-bundle": CA_FILE if carrier.ca_bundle else "",
        "run-id": run_of(workspace),
    }
    flags = (f"--{name}={value}" for name, value in options.items() if value)
    return ["python", "/workspace/tuning/trainer.py", *flags]


def _volumes(spec: TuningSpec, preset: Preset) -> list[Manifest]:
    """Data, result, parameters, and room to work.

    The ConfigMap is optional to the kubelet: a pod that waits for one that is not there says so in
    no field; the trainer does, with the remedy.
    """
    volumes: list[Manifest] = [
        {"name": "dshm", "emptyDir": {"medium": "Memory"}},
        {**(spec.input.volume_source or {"emptyDir": {}}), "name": "data"},
        {**(spec.output.volume_source or {"emptyDir": {}}), "name": "results"},
        *({"name": name, "emptyDir": {}} for name in writable_folders(preset.image)),
    ]
    if spec.config:
        volumes.append({"name": "config", "configMap": {"name": spec.config, "optional": True}})
    return volumes


def _mounts(spec: TuningSpec, preset: Preset) -> list[Manifest]:
    """Where those volumes are seen."""
    is_given = spec.input.volume_source is not None
    has_volume = spec.output.volume_source is not None
    folders = writable_folders(preset.image)
    mounts: list[Manifest] = [
        {"name": "dshm", "mountPath": "/dev/shm"},
        {**_DATA_MOUNT, **({"readOnly": True} if is_given else {})},
        {"name": "results", "mountPath": _OUTPUT if has_volume else _RESULTS},
        *({"name": name, "mountPath": at} for name, at in folders.items()),
    ]
    if spec.config:
        mounts.append({"name": "config", "mountPath": _CONFIG, "readOnly": True})
    return mounts
