"""How pools, operations and instances look in an answer, and what a request's body is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue

from hack.cluster import layout
from hack.cluster.arm import addresses, refusals, validation
from hack.cluster.arm.journal import timestamp
from hack.cluster.arm.pools import Fleet, Operation, Pool, Properties, Status
from hack.cluster.arm.sizes import Size

KUBERNETES_VERSION = "1.36.0"
NODE_IMAGE = "AKSUbuntu-2404gen2containerd-202608.01.0"
DEFAULT_DISK_GIB = 128

DEFAULTS: Properties = {
    "count": 1,
    "enableAutoScaling": False,
    "enableFIPS": False,
    "kubeletDiskType": "OS",
    "maxPods": 110,
    "mode": "User",
    "orchestratorVersion": KUBERNETES_VERSION,
    "osDiskSizeGB": DEFAULT_DISK_GIB,
    "osDiskType": "Managed",
    "osSKU": "Ubuntu",
    "osType": "Linux",
    "scaleDownMode": "Delete",
    "type": "VirtualMachineScaleSets",
    "upgradeSettings": {"maxSurge": "10%", "maxUnavailable": "0"},
}
"""What the provider fills in."""

_KEPT = ("count", "mode", "orchestratorVersion", *validation.IMMUTABLE)
"""What stays as it is when an update leaves it out."""


def requested(body: bytes) -> dict[str, JsonValue]:
    """The `properties` of a PUT, as they came.

    Raises:
        Refusal: the body is no JSON object with an object `properties`.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise refusals.bad_content(f"The body is no JSON: {error}") from error
    properties = document.get("properties") if isinstance(document, dict) else None
    if not isinstance(properties, dict):
        raise refusals.bad_content("The body has no object 'properties'.")
    return properties


def complete(given: Properties, old: Pool | None) -> dict[str, JsonValue]:
    """All properties that the pool is to have: given, else kept, else the provider's own."""
    kept = {} if old is None else {n: v for n, v in old.properties.items() if n in _KEPT}
    asked = {name: value for name, value in given.items() if _says_something(name, value)}
    return {**DEFAULTS, **kept, **asked}


def _says_something(name: str, value: JsonValue) -> bool:
    """False for what is read-only, null, or 0 GiB of disk, which asks for the default."""
    default_disk = name == "osDiskSizeGB" and value == 0
    return name not in validation.READ_ONLY and value is not None and not default_disk


def pool_body(pool: Pool) -> dict[str, JsonValue]:
    """A pool, as GET answers it; a failed one tells why."""
    status: dict[str, JsonValue] = {}
    if pool.failure is not None:
        status = {"status": {"provisioningError": pool.failure.model_dump()}}
    return {
        "id": addresses.pool_id(pool.name),
        "name": pool.name,
        "type": "Microsoft.ContainerService/managedClusters/agentPools",
        "properties": {
            **pool.properties,
            "currentOrchestratorVersion": KUBERNETES_VERSION,
            "eTag": pool.etag,
            "nodeImageVersion": NODE_IMAGE,
            "powerState": {"code": "Running"},
            "provisioningState": pool.state,
            **status,
        },
    }


def operation_body(operation: Operation) -> dict[str, JsonValue]:
    """An operation's status; answered with HTTP 200 even when the operation failed."""
    body: dict[str, JsonValue] = {
        "name": operation.id,
        "status": operation.status,
        "startTime": timestamp(operation.started_at),
    }
    if operation.ended_at is not None:
        body["endTime"] = timestamp(operation.ended_at)
    if operation.status is Status.FAILED and operation.failure is not None:
        body["error"] = operation.failure.model_dump()
    if operation.status is Status.CANCELED:
        message = "The operation was aborted."
        body["error"] = {"code": "OperationCanceled", "message": message}
    return body


def instances_body(fleet: Fleet, sizes: Mapping[str, Size]) -> dict[str, JsonValue]:
    """The VMs that exist, by pool: what a VM scale set would show from the inside."""
    pools = sorted(fleet.pools.values(), key=lambda pool: pool.name)
    return {
        "revision": fleet.revision,
        "instances": [_instances(pool, sizes[pool.vm_size]) for pool in pools if pool.vms],
    }


def _instances(pool: Pool, size: Size) -> dict[str, JsonValue]:
    vms: list[JsonValue] = list(pool.vms)
    return {
        "pool": pool.name,
        "state": pool.state,
        "mode": pool.properties["mode"],
        "vmSize": pool.vm_size,
        "count": len(vms),
        "ordinal": pool.vms[0],
        "ordinals": vms,
        "scaleSet": scale_set(pool.name),
        "nodeResourceGroup": node_resource_group(),
        "labels": pool.properties.get("nodeLabels") or {},
        "taints": pool.properties.get("nodeTaints") or [],
        "gpus": size.gpus,
        "vcpus": size.vcpus,
        "memoryGiB": size.memory_gib,
        "osDiskSizeGiB": pool.properties["osDiskSizeGB"],
        "createdAt": timestamp(pool.created_at),
    }


def scale_set(pool: str) -> str:
    """Name of a pool's VM scale set: the eight digits are the cluster's."""
    digest = hashlib.sha256(layout.CLUSTER_NAME.encode()).digest()
    return f"aks-{pool}-{int.from_bytes(digest[:4]) % 10**8:08d}-vmss"


def node_resource_group() -> str:
    """The group that AKS puts VM scale sets in."""
    return f"MC_{layout.RESOURCE_GROUP}_{layout.CLUSTER_NAME}_{layout.LOCATION}"
