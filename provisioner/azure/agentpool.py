"""An instance as an AKS agent pool: the body that creates one, and the reading of one. Pure.

Ownership travels in tags, because an agent pool has no annotations. ARM refuses "/" in the name
of a tag, so the domain is set off by "_".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from provisioner.azure import errors
from provisioner.cloud import INSTANCE_NAME, Instance, InstanceSpec, InstanceState, Owner
from provisioner.failures import BadRequest, CloudError

TAG_KIND: Final = "kaito.sh_claim-kind"
TAG_NAME: Final = "kaito.sh_claim-name"
TAG_UID: Final = "kaito.sh_claim-uid"
TAG_WORKSPACE: Final = "kaito.sh_workspace"
TAG_CREATED: Final = "kaito.sh_created"

MAX_DISK_GIB = 2048
"""Largest OS disk of an agent pool; https://learn.microsoft.com/rest/api/aks/agent-pools."""

MAX_TAG_VALUE = 256

IMAGE_FAMILIES: Mapping[str, str] = {"ubuntu": "Ubuntu", "azurelinux": "AzureLinux"}
"""osSKU of each image family."""

RESERVED_LABEL_DOMAINS = ("kubernetes.azure.com", "kubernetes.io", "k8s.io")
"""AKS sets labels of these domains itself and refuses them in a pool."""

STATES: Mapping[str, InstanceState] = {
    "succeeded": InstanceState.RUNNING,
    "failed": InstanceState.FAILED,
    "canceled": InstanceState.FAILED,
    "deleting": InstanceState.DELETING,
}
"""By provisioningState in lower case; it is an open set, and any other word means under way."""


@dataclass(frozen=True, slots=True)
class Custom:
    """What all pools of a cluster have in common, and no claim says.

    Attributes:
        subnet_id: ARM id of the machines' subnet; "" for the cluster's own.
        installs_driver: whether AKS puts the GPU driver on machines that have GPUs.
        tags: beside our own, which win.
    """

    subnet_id: str = ""
    installs_driver: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


PLAIN: Final = Custom()


def body(spec: InstanceSpec, custom: Custom = PLAIN) -> dict[str, object]:
    """The agent pool that carries out `spec`, under its REST names.

    Raises:
        BadRequest: AKS would refuse it.
    """
    if not INSTANCE_NAME.fullmatch(spec.name):
        raise BadRequest(
            "InvalidName",
            f"{spec.name!r} is no agent pool name: it must match {INSTANCE_NAME.pattern}",
        )
    if not spec.vm_size:
        raise BadRequest("InvalidVMSize", "The claim names no instance type")
    properties: dict[str, object] = {
        "count": 1,
        "mode": "User",
        "type": "VirtualMachineScaleSets",
        "osType": "Linux",
        "osSKU": _os_sku(spec),
        "vmSize": spec.vm_size,
        "nodeLabels": {key: spec.labels[key] for key in sorted(spec.labels) if is_settable(key)},
        "nodeTaints": list(spec.taints),
        "tags": {**custom.tags, **tags(spec)},
        **_settled(custom),
    }
    if spec.disk_gib is not None:
        properties["osDiskSizeGB"] = _disk(spec.disk_gib)
    if spec.zones:
        properties["availabilityZones"] = list(spec.zones)
    if spec.spot:
        properties["scaleSetPriority"] = "Spot"
        properties["scaleSetEvictionPolicy"] = "Delete"
    return {"properties": properties}


def _settled(custom: Custom) -> dict[str, object]:
    """Properties that the settings ask for; what is AKS's default is left out."""
    settled: dict[str, object] = {}
    if custom.subnet_id:
        settled["vnetSubnetID"] = custom.subnet_id
    if not custom.installs_driver:
        settled["gpuProfile"] = {"driver": "None"}
    return settled


def tags(spec: InstanceSpec) -> dict[str, str]:
    """The tags that say whose the pool is and how old."""
    marks = {
        TAG_KIND: spec.owner.kind,
        TAG_NAME: spec.owner.name,
        TAG_UID: spec.owner.uid,
        TAG_WORKSPACE: spec.owner.workspace,
        TAG_CREATED: spec.created.astimezone(UTC).isoformat(timespec="seconds"),
    }
    return {name: value[:MAX_TAG_VALUE] for name, value in marks.items() if value}


def is_settable(key: str) -> bool:
    """Whether a pool may give its nodes this label."""
    domain, slash, _ = key.partition("/")
    reserved = any(domain == one or domain.endswith(f".{one}") for one in RESERVED_LABEL_DOMAINS)
    return not (slash and reserved)


def instance(pool: Mapping[str, object]) -> Instance:
    """An agent pool as the REST API tells it, read as an instance."""
    properties = _mapping(pool.get("properties"))
    marks = _strings(properties.get("tags"))
    phase = str(properties.get("provisioningState") or "")
    state = STATES.get(phase.lower(), InstanceState.PENDING)
    return Instance(
        name=str(pool.get("name") or ""),
        state=state,
        phase=phase,
        vm_size=str(properties.get("vmSize") or ""),
        labels=_strings(properties.get("nodeLabels")),
        tags=marks,
        owner=owner(marks),
        created=_time(marks.get(TAG_CREATED, "")),
        image=str(properties.get("nodeImageVersion") or ""),
        failure=_failure(properties) if state is InstanceState.FAILED else None,
    )


def owner(marks: Mapping[str, str]) -> Owner | None:
    """The claim that the tags name; None unless kind, name and uid are all there."""
    kind, name, uid = (marks.get(tag, "") for tag in (TAG_KIND, TAG_NAME, TAG_UID))
    if not (kind and name and uid):
        return None
    return Owner(kind=kind, name=name, uid=uid, workspace=marks.get(TAG_WORKSPACE, ""))


def _os_sku(spec: InstanceSpec) -> str:
    sku = IMAGE_FAMILIES.get(spec.image_family.lower())
    if sku is None:
        known = ", ".join(IMAGE_FAMILIES)
        raise BadRequest(
            "InvalidImageFamily", f"{spec.image_family!r} is no image family: use one of {known}"
        )
    return sku


def _disk(gib: int) -> int:
    if not 0 < gib <= MAX_DISK_GIB:
        raise BadRequest(
            "InvalidDiskSize", f"An OS disk of {gib} GiB is outside 1 to {MAX_DISK_GIB} GiB"
        )
    return gib


def _failure(properties: Mapping[str, object]) -> CloudError | None:
    """Why the pool failed, where the API tells it (`status.provisioningError`)."""
    told = _mapping(properties.get("status")).get("provisioningError")
    return errors.classified(errors.parsed(told)) if isinstance(told, Mapping) else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _strings(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in _mapping(value).items()}


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None
