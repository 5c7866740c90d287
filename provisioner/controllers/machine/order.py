"""From a claim to the instance that it asks for, or to the reason why there is none. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime

from kaito.api import labels
from kaito.kube.errors import InvalidSpec
from provisioner.cloud import INSTANCE_NAME, InstanceSpec, Owner
from provisioner.controllers.machine.kinds import Claim, ClaimKind, workspace
from provisioner.quantity import gib

STORAGE = "storage"
SPOT = "spot"
ON_DEMAND = "on-demand"
NO_ZONE = "0"
ZONE_NUMBERS = (NO_ZONE, "1", "2", "3")
GPU_SIZE_PREFIX = "Standard_N"
DEFAULT_IMAGE_FAMILY = "ubuntu"

_DERIVED_LENGTH = 11


def instance_name(claim: Claim) -> str:
    """Name of the claim's instance: its own where that is legal, else one made from its uid."""
    name = claim.metadata.name
    if INSTANCE_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(claim.metadata.uid.encode()).digest()
    return f"k{base64.b32encode(digest).decode().lower()[:_DERIVED_LENGTH]}"


def is_gpu(vm_size: str) -> bool:
    """Whether machines of that size have GPUs, as Azure names them."""
    return vm_size.startswith(GPU_SIZE_PREFIX)


def order(kind: ClaimKind, claim: Claim, *, now: datetime) -> InstanceSpec:
    """What to launch for a claim.

    Raises:
        InvalidSpec: the claim names no instance type, or a disk or zone that cannot be.
    """
    vm_sizes = claim.spec.values(labels.INSTANCE_TYPE)
    if not vm_sizes:
        raise InvalidSpec(
            "spec.requirements",
            f"there is no instance type: add a requirement on {labels.INSTANCE_TYPE} with the"
            " operator In",
        )
    return InstanceSpec(
        name=instance_name(claim),
        vm_size=vm_sizes[0],
        owner=Owner(
            kind=kind.name,
            name=claim.metadata.name,
            uid=claim.metadata.uid,
            workspace=workspace(claim),
        ),
        created=now,
        disk_gib=_disk_gib(claim.spec.resources.requests),
        labels={**claim.metadata.labels, labels.MACHINE_TYPE: _machine_type(vm_sizes[0])},
        taints=tuple(f"{each.key}={each.value}:{each.effect}" for each in claim.spec.taints),
        image_family=claim.metadata.annotations.get(labels.NODE_IMAGE_FAMILY, DEFAULT_IMAGE_FAMILY),
        spot=claim.spec.values(labels.CAPACITY_TYPE) == (SPOT,),
        zones=_zones(claim),
    )


def _machine_type(vm_size: str) -> str:
    return "gpu" if is_gpu(vm_size) else "cpu"


def _zones(claim: Claim) -> tuple[str, ...]:
    """Numbers of the zones asked for; none where any will do.

    A zone's label on AKS is its region and number, `eastus-1`; a node in no zone has number 0, a
    fault domain. Source: AKS's page on availability zones.
    """
    asked = claim.spec.values(labels.ZONE)
    numbers = tuple(dict.fromkeys(zone.rpartition("-")[2] for zone in asked))
    if not all(number in ZONE_NUMBERS for number in numbers) or (
        claim.spec.is_narrowed(labels.ZONE) and not numbers
    ):
        said = ", ".join(asked) or "what is left of them"
        raise InvalidSpec(
            "spec.requirements",
            f"{said} is no zone on {labels.ZONE}: name each with the operator In as its region"
            " and number, eastus-1",
        )
    return tuple(number for number in numbers if number != NO_ZONE)


def _disk_gib(requests: Mapping[str, str]) -> int | None:
    """The requested disk in GiB, rounded up; None when none is requested."""
    if STORAGE not in requests:
        return None
    field = f"spec.resources.requests.{STORAGE}"
    try:
        size = gib(requests[STORAGE])
    except ValueError as error:
        raise InvalidSpec(field, str(error)) from error
    if size <= 0:
        raise InvalidSpec(
            field,
            f"{requests[STORAGE]!r} is no disk: ask for 1Gi or more, or leave it out for the"
            " size's default",
        )
    return size
