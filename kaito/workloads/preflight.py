"""A tiny pod that asks registries, with the user's own secrets, before a GPU node is bought.

It runs on any node without taints. Its last words name the field, the registry's answer and the
remedy. Only workspaces that depend on something outside the cluster have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kaito.api import labels
from kaito.api.spec import TuningSpec
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.kube.kinds import PODS
from kaito.kube.objects import Manifest
from kaito.workloads.adapters import CONTAINER as ADAPTERS
from kaito.workloads.adapters import FIT, adapter_items
from kaito.workloads.carrier import Carrier, Item, carrier_volumes, carrying
from kaito.workloads.image import preset_of
from kaito.workloads.owner import owned_metadata
from kaito.workloads.revision import revision
from kaito.workloads.security import USER
from kaito.workloads.tuning import CONFIG_KEY, input_items, output_items

CONTAINER = "check"
"""Name of the container that asks registries."""
PARAMETERS = "parameters"
"""Name of the container that reads the parameters of a tuning."""
LIMIT_SECONDS = 120
"""How long the pod may run."""
_RETRY_SECONDS = 39
"""How long one registry may be silent, three times a third of it, well within the pod's time."""
_DIGITS = 8
_CONFIG = "/mnt/config"
_HUB = "https://huggingface.co"
"""The pod asks its mirror in its place, where the settings name one."""


def preflight_items(workspace: Workspace, preset: Preset | None = None) -> tuple[Item, ...]:
    """What is outside the cluster and can be asked for with the user's own secrets.

    An adapter in a volume is left alone: its volume may be bound to the GPU node. So is a private
    image without secrets: the node's own identity pulls it, which no pod has.

    Args:
        workspace: what is asked for.
        preset: that it names; None where it names none that is known.
    """
    tuning = workspace.tuning
    return (
        *(item for item in adapter_items(workspace) if item.image),
        *_model_items(workspace),
        *_hub_items(workspace, preset),
        *(_tuning_items(tuning) if tuning else ()),
    )


def needs_preflight(workspace: Workspace, preset: Preset | None = None) -> bool:
    """Whether there is anything to look at."""
    tuning = workspace.tuning
    return bool(preflight_items(workspace, preset) or (tuning and tuning.config))


def preflight_name(workspace: Workspace, carrier: Carrier, items: Iterable[Item]) -> str:
    """Name of the pod: the same things are looked at by the same pod."""
    subject = {
        "uid": workspace.metadata.uid,
        "items": [item.flag() for item in items],
        "config": (workspace.tuning and workspace.tuning.config) or "",
        "image": carrier.image,
    }
    return f"{workspace.metadata.name}-preflight-{revision(subject)[:_DIGITS]}"


def rendered_preflight(
    workspace: Workspace, carrier: Carrier, preset: Preset | None = None
) -> Manifest:
    """The pod that looks at everything of a workspace."""
    items = preflight_items(workspace, preset)
    tuning = workspace.tuning
    containers, volumes = [], carrier_volumes(carrier, items)
    if items:
        verb = ["check", f"--retry-seconds={_RETRY_SECONDS}"]
        containers.append(carrying(carrier, CONTAINER, verb, items))
    if tuning and tuning.config:
        containers.append(_parameters(carrier, tuning))
        volumes.append({"name": "config", "configMap": {"name": tuning.config, "optional": True}})
    metadata = owned_metadata(workspace)
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            **metadata,
            "name": preflight_name(workspace, carrier, items),
            # Not the label that Services and workloads select by.
            "labels": {labels.PREFLIGHT: workspace.metadata.name},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIMIT_SECONDS,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
            "volumes": volumes,
        },
    }


def beside_the_model(look: Manifest, template: Manifest) -> Manifest:
    """The same look on a workspace's own node, and at last its adapters beside the weights there.

    So pods that answer are not replaced by pods whose adapters are of another model.

    Args:
        look: as `rendered_preflight` has it.
        template: of the pods that are to follow; where they compare nothing, `look` stays.
    """
    spec, wanted, metadata = (
        _mapping(found) for found in (look["spec"], template["spec"], look["metadata"])
    )
    steps = [one for one in _list(wanted, "initContainers") if one["name"] in (ADAPTERS, FIT)]
    if FIT not in {one["name"] for one in steps}:
        return look
    volumes = {one["name"]: one for one in (*_list(wanted, "volumes"), *_list(spec, "volumes"))}
    used = {mount["name"] for one in steps for mount in _list(one, "volumeMounts")}
    used |= {one["name"] for one in _list(spec, "volumes")}
    return {
        **look,
        "metadata": {**metadata, "name": f"{metadata['name']}-fit"},
        "spec": {
            **spec,
            "affinity": {"nodeAffinity": _mapping(wanted["affinity"])["nodeAffinity"]},
            "tolerations": wanted["tolerations"],
            "imagePullSecrets": wanted["imagePullSecrets"],
            "initContainers": [*_list(spec, "containers"), *steps[:-1]],
            "containers": steps[-1:],
            "volumes": [volume for name, volume in volumes.items() if name in used],
        },
    }


def _mapping(found: object) -> dict[str, Any]:
    """An object of a manifest."""
    return dict(found) if isinstance(found, dict) else {}


def _list(within: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects of a manifest."""
    return list(within.get(key, ()))


def _model_items(workspace: Workspace) -> tuple[Item, ...]:
    """The user's own image of a model."""
    wanted = preset_of(workspace)
    if not (wanted and wanted.access_mode == "private" and wanted.preset_options.image):
        return ()
    options = wanted.preset_options
    place = "tuning" if workspace.tuning else "inference"
    item = Item(
        field=f"{place}.preset.presetOptions.image",
        kind="image",
        image=options.image or "",
        secrets=options.image_pull_secrets,
    )
    return (item,) if item.secrets else ()


def _hub_items(workspace: Workspace, preset: Preset | None) -> tuple[Item, ...]:
    """A model of the hub, as the user's token is to open it: its first alias is its name there."""
    wanted = preset_of(workspace)
    secret = wanted.preset_options.model_access_secret if wanted else None
    is_fetched = bool(preset and preset.images and preset.image.weights == "hub" and preset.aliases)
    if not (preset and is_fetched and workspace.inference):
        return ()
    if not (secret or preset.access == "token"):
        return ()
    return (
        Item(
            field="inference.preset.presetOptions.modelAccessSecret",
            kind="model",
            url=f"{_HUB}/{preset.aliases[0]}/resolve/main/config.json",
            secrets=(secret,) if secret else (),
        ),
    )


def _tuning_items(tuning: TuningSpec) -> tuple[Item, ...]:
    """Where the data set comes from, and where the adapter goes."""
    urls = (
        Item(field=f"tuning.input.urls[{number}]", kind="url", url=url)
        for number, url in enumerate(tuning.input.urls)
    )
    return (*input_items(tuning), *urls, *output_items(tuning))


def _parameters(carrier: Carrier, tuning: TuningSpec) -> Manifest:
    """The container that reads the parameters, each key of them."""
    mount: Manifest = {"name": "config", "mountPath": _CONFIG, "readOnly": True}
    container = carrying(carrier, PARAMETERS, (), (), mount)
    file = f"{_CONFIG}/{CONFIG_KEY}"
    command = ["python", "/workspace/tuning/check.py", tuning.method.lower(), file, tuning.config]
    return {**container, "command": command}
