"""The pod that tunes a preset: presets/tuning in the model's own image, on one GPU.

docs/reference/tuning.md is the contract between this and the trainer.
"""

from __future__ import annotations

from kaito.api import labels
from kaito.api.spec import TuningSpec
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.kube.objects import Manifest
from kaito.workloads.image import ModelImage, model_image
from kaito.workloads.job import job_of
from kaito.workloads.owner import pod_labels
from kaito.workloads.placement import TOLERATIONS, affinity
from kaito.workloads.revision import revision
from kaito.workloads.security import container_security, home, pod_security, writable_folders

TRAINER = "trainer"
"""Name of the container whose termination message is the result."""
PORT = 5000
GPUS = 1
"""The trainer uses one GPU, however many its node has."""

_GRACE_SECONDS = 120
"""For a last checkpoint, and for its way to the registry."""
_CONFIG = "/mnt/config"
_DATA = "/mnt/data"
_RESULTS = "/mnt/results"
_OUTPUT = "/mnt/output"
_SECRETS = "/mnt/secrets"
_HIDDEN = ".kaito-tuning"
"""Folder of the output volume that holds checkpoints while the tuning goes on."""
CONFIG_KEY = "training_config.yaml"


def run_of(workspace: Workspace) -> str:
    """Name of the run that the present spec asks for; another spec makes another run."""
    spec = workspace.tuning.model_dump(by_alias=True, mode="json") if workspace.tuning else {}
    return revision({"uid": workspace.metadata.uid, "tuning": spec})


def rendered_tuning(
    workspace: Workspace, preset: Preset, *, registry: str, dedicated: bool
) -> Manifest:
    """The Job of a tuning workspace.

    Args:
        workspace: has `tuning`.
        preset: the base model that it names.
        registry: where public images are, "" for none.
        dedicated: whether the node was created for this workspace; then the pod goes nowhere else.

    Raises:
        ValueError: the workspace tunes nothing.
    """
    spec = workspace.tuning
    if spec is None:
        raise ValueError(f"{workspace.metadata.name} tunes nothing")
    image = model_image(workspace, preset, registry=registry)
    template: Manifest = {
        "metadata": {"labels": pod_labels(workspace)},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "affinity": affinity(workspace, dedicated=dedicated),
            "tolerations": list(TOLERATIONS),
            "securityContext": pod_security(preset.image),
            "imagePullSecrets": [{"name": name} for name in image.pull_secrets],
            "containers": [_trainer(workspace, spec, preset, image)],
            "volumes": _volumes(spec, preset),
        },
    }
    return job_of(workspace, template, run=run_of(workspace))


def _trainer(workspace: Workspace, spec: TuningSpec, preset: Preset, image: ModelImage) -> Manifest:
    """The container that tunes, and hands the adapter on."""
    resources = {labels.GPU: str(GPUS)}
    return {
        "name": TRAINER,
        "image": image.reference,
        "command": _command(workspace, spec, preset),
        "env": [{"name": "TUNING_URLS", "value": "\n".join(spec.input.urls)}, *home(preset.image)],
        "ports": [{"name": "metrics", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": container_security(preset.image),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(spec, preset),
    }


def _command(workspace: Workspace, spec: TuningSpec, preset: Preset) -> list[str]:
    """The argument vector of the trainer."""
    output = spec.output
    has_volume = output.volume_source is not None
    work = f"{_OUTPUT}/{_HIDDEN}" if has_volume else _RESULTS
    return [
        "python",
        "/workspace/tuning/trainer.py",
        f"--method={spec.method.lower()}",
        f"--base-model={preset.image.weights_path}",
        f"--base-model-name={next(iter(preset.aliases), preset.name)}",
        *((f"--config={_CONFIG}/{CONFIG_KEY}", f"--config-map={spec.config}") * bool(spec.config)),
        f"--data-folder={_DATA}",
        f"--work-folder={work}",
        *((f"--output-folder={_OUTPUT}",) * has_volume),
        *((f"--output-image={output.image}",) * bool(output.image)),
        *((f"--output-secret={output.image_push_secret}",) * bool(output.image_push_secret)),
        f"--secrets-folder={_SECRETS}",
        f"--run-id={run_of(workspace)}",
    ]


def _volumes(spec: TuningSpec, preset: Preset) -> list[Manifest]:
    """Data, result, parameters, secrets, and room to work.

    ConfigMap and Secret are optional to the kubelet: a pod that waits for one that is not there
    says so in no field; the trainer does, with the remedy.
    """
    output = spec.output
    volumes: list[Manifest] = [
        {"name": "dshm", "emptyDir": {"medium": "Memory"}},
        {"name": "data", **(spec.input.volume_source or {"emptyDir": {}})},
        {"name": "results", **(output.volume_source or {"emptyDir": {}})},
        *({"name": name, "emptyDir": {}} for name in writable_folders(preset.image)),
    ]
    if spec.config:
        volumes.append({"name": "config", "configMap": {"name": spec.config, "optional": True}})
    if output.image_push_secret:
        secret = {"secretName": output.image_push_secret, "optional": True}
        volumes.append({"name": "push", "secret": secret})
    return volumes


def _mounts(spec: TuningSpec, preset: Preset) -> list[Manifest]:
    """Where those volumes are seen."""
    output = spec.output
    folders = writable_folders(preset.image)
    mounts: list[Manifest] = [
        {"name": "dshm", "mountPath": "/dev/shm"},
        {"name": "data", "mountPath": _DATA, "readOnly": spec.input.volume_source is not None},
        {"name": "results", "mountPath": _OUTPUT if output.volume_source else _RESULTS},
        *({"name": name, "mountPath": at} for name, at in folders.items()),
    ]
    if spec.config:
        mounts.append({"name": "config", "mountPath": _CONFIG, "readOnly": True})
    if output.image_push_secret:
        at = f"{_SECRETS}/{output.image_push_secret}"
        mounts.append({"name": "push", "mountPath": at, "readOnly": True})
    return mounts
