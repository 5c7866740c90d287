"""What Microsoft.Compute answers: which VM sizes the region sells to us, and how much we use.

    GET /subscriptions/{id}/providers/Microsoft.Compute/skus
    GET /subscriptions/{id}/providers/Microsoft.Compute/locations/{location}/usages

Shapes: https://learn.microsoft.com/rest/api/compute/resource-skus/list and .../usage/list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from hack.cluster import layout
from hack.cluster.arm.pools import Fleet
from hack.cluster.arm.sizes import Size

PLENTY = 100_000
"""vCPU limit of a family that the scenario does not name."""

TOTAL = "cores"
"""The quota that all families share."""


def skus_body(
    sizes: Mapping[str, Size], *, restricted: Callable[[str], bool]
) -> dict[str, JsonValue]:
    """Every VM size of the region, with the restriction that a scenario puts on it."""
    rows = sorted(sizes.items())
    return {"value": [_sku(name, size, restricted=restricted(name)) for name, size in rows]}


def _sku(name: str, size: Size, *, restricted: bool) -> dict[str, JsonValue]:
    location: JsonValue = layout.LOCATION
    restriction: JsonValue = {
        "type": "Location",
        "values": [location],
        "restrictionInfo": {"locations": [location]},
        "reasonCode": "NotAvailableForSubscription",
    }
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "size": name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": []}],
        "capabilities": [
            {"name": "vCPUs", "value": str(size.vcpus)},
            {"name": "MemoryGB", "value": str(size.memory_gib)},
            {"name": "GPUs", "value": str(size.gpus)},
        ],
        "restrictions": [restriction] if restricted else [],
    }


def usages_body(
    fleet: Fleet, sizes: Mapping[str, Size], *, quotas: Mapping[str, int]
) -> dict[str, JsonValue]:
    """Tell the vCPUs in use and allowed: of all families together, and of each."""
    used = {size.family: 0 for size in sizes.values()}
    for pool in fleet.pools.values():
        size = sizes[pool.vm_size]
        used[size.family] += size.vcpus * pool.count
    total = _usage(TOTAL, sum(used.values()), quotas.get(TOTAL, PLENTY))
    families = (_usage(name, used[name], quotas.get(name, PLENTY)) for name in sorted(used))
    return {"value": [total, *families]}


def _usage(name: str, used: int, limit: int) -> JsonValue:
    return {
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
    }
