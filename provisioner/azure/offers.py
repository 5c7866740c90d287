"""What a region sells and how much quota is left, read from Microsoft.Compute's lists. Pure.

The two lists: https://learn.microsoft.com/rest/api/compute/resource-skus/list and .../usage/list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kaito.api import labels
from provisioner.cloud import InstanceSpec
from provisioner.failures import CloudError, QuotaExceeded, SkuUnavailable

TOTAL = "cores"
"""The quota that all families of the region share."""

SPOT = "lowPriorityCores"
"""The quota that all spot machines share, in place of their family's."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One VM size.

    Attributes:
        family: that its quota is counted by.
        vcpus: of one machine; 0 when the list does not say.
        forbidden: why it is not for this subscription in the whole region; "" when it is.
        closed_zones: zones in which it is not for this subscription.
        capacity: of one machine, as its node will report it; without what the list does not say.
    """

    family: str
    vcpus: int = 0
    forbidden: str = ""
    closed_zones: frozenset[str] = frozenset()
    capacity: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """vCPUs of one quota: in use, and the most there may be."""

    used: int
    limit: int


def offers(rows: Iterable[object], *, location: str) -> Mapping[str, Offer]:
    """VM sizes by name in lower case, for ARM does not mind the case."""
    found: dict[str, Offer] = {}
    for row in map(_mapping, rows):
        if row.get("resourceType") == "virtualMachines":
            found[str(row.get("name")).lower()] = _offer(row, location)
    return found


def usages(rows: Iterable[object]) -> Mapping[str, Usage]:
    """Quotas by name in lower case."""
    found: dict[str, Usage] = {}
    for row in map(_mapping, rows):
        name = str(_mapping(row.get("name")).get("value") or "").lower()
        found[name] = Usage(_number(row.get("currentValue")), _number(row.get("limit")))
    return found


def objection(
    spec: InstanceSpec,
    sold: Mapping[str, Offer],
    quotas: Mapping[str, Usage],
    *,
    location: str,
) -> CloudError | None:
    """Why this launch cannot succeed now; None when nothing speaks against it."""
    if not sold:
        return None
    offer = sold.get(spec.vm_size.lower())
    if offer is None:
        said = f"{spec.vm_size} is not sold in region {location}"
        return SkuUnavailable("SkuNotAvailable", said)
    if offer.forbidden:
        said = f"{spec.vm_size} is not available in region {location}: {offer.forbidden}"
        return SkuUnavailable("SkuNotAvailable", said)
    if spec.zones and offer.closed_zones.issuperset(spec.zones):
        zones = ", ".join(spec.zones)
        said = f"{spec.vm_size} is not available to this subscription in zone {zones} of {location}"
        return SkuUnavailable("SkuNotAvailable", said)
    families = (SPOT,) if spec.spot else (offer.family, TOTAL)
    short = (_short(offer, name, quotas, location) for name in families)
    return next((each for each in short if each), None)


def _short(
    offer: Offer, name: str, quotas: Mapping[str, Usage], location: str
) -> QuotaExceeded | None:
    """The quota of that name does not have room for one machine more."""
    usage = quotas.get(name.lower())
    if usage is None or usage.used + offer.vcpus <= usage.limit:
        return None
    remaining = max(0, usage.limit - usage.used)
    said = (
        f"Insufficient vCPU quota: requested {offer.vcpus}, remaining {remaining} for family"
        f" {name} in region {location}; in use {usage.used} of {usage.limit}"
    )
    return QuotaExceeded("InsufficientVCPUQuota", said)


def _offer(row: Mapping[str, object], location: str) -> Offer:
    capabilities = {
        str(each.get("name")): each.get("value")
        for each in map(_mapping, _list(row, "capabilities"))
    }
    forbidden, closed = "", frozenset[str]()
    for restriction in map(_mapping, _list(row, "restrictions")):
        about = _mapping(restriction.get("restrictionInfo"))
        where = {str(each).lower() for each in _list(about, "locations")}
        if where and location.lower() not in where:
            continue
        if restriction.get("type") == "Zone":
            closed |= frozenset(map(str, _list(about, "zones")))
        else:
            forbidden = str(restriction.get("reasonCode") or "restricted")
    return Offer(
        family=str(row.get("family") or ""),
        vcpus=_number(capabilities.get("vCPUs")),
        forbidden=forbidden,
        closed_zones=closed,
        capacity=_capacity(capabilities),
    )


def _capacity(capabilities: Mapping[str, object]) -> Mapping[str, str]:
    """Count of CPUs and GPUs; the node's own words replace it once it joins."""
    counts = {
        "cpu": _number(capabilities.get("vCPUs")),
        labels.GPU: _number(capabilities.get("GPUs")),
    }
    return {resource: str(count) for resource, count in counts.items() if count}


def _list(row: Mapping[str, object], name: str) -> Iterable[object]:
    value = row.get(name)
    return value if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    try:
        return int(float(str(value)))
    except ValueError:
        return 0
