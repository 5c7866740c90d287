"""The addresses that ARM answers at: read from a request, and written into an answer.

ARM's paths are not case-sensitive, and the AKS provider writes `resourcegroups` in lower case
in ids where clients write `resourceGroups`. Both happen here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from hack.cluster import layout

PROVIDER = "providers/Microsoft.ContainerService"
COMPUTE = "providers/Microsoft.Compute"


class Kind(StrEnum):
    """What an address is of."""

    POOL = "pool"
    POOLS = "pools"
    ABORT = "abort"
    OPERATION = "operations"
    RESULT = "operationresults"
    SKUS = "skus"
    USAGES = "usages"


@dataclass(frozen=True, slots=True)
class Address:
    """One address, taken apart; names that it does not have are ""."""

    kind: Kind
    subscription: str
    group: str = ""
    cluster: str = ""
    pool: str = ""
    operation: str = ""


_CLUSTER = (
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    rf"/{re.escape(PROVIDER)}/managedClusters/(?P<cluster>[^/]+)"
)
_OPERATION = (
    r"/subscriptions/(?P<subscription>[^/]+)"
    rf"/{re.escape(PROVIDER)}/locations/{layout.LOCATION}"
)
_COMPUTE = rf"/subscriptions/(?P<subscription>[^/]+)/{re.escape(COMPUTE)}"
_SHAPES = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.POOLS, rf"{_CLUSTER}/agentPools"),
        (Kind.POOL, rf"{_CLUSTER}/agentPools/(?P<pool>[^/]+)"),
        (Kind.ABORT, rf"{_CLUSTER}/agentPools/(?P<pool>[^/]+)/abort"),
        (Kind.OPERATION, rf"{_OPERATION}/operations/(?P<operation>[^/]+)"),
        (Kind.RESULT, rf"{_OPERATION}/operationresults/(?P<operation>[^/]+)"),
        (Kind.SKUS, rf"{_COMPUTE}/skus"),
        (Kind.USAGES, rf"{_COMPUTE}/locations/{layout.LOCATION}/usages"),
    )
)


def parsed(path: str) -> Address | None:
    """The address that a path is; None for one that is not ARM's."""
    for kind, shape in _SHAPES:
        found = shape.fullmatch(path.rstrip("/"))
        if found:
            return Address(kind, **found.groupdict())
    return None


def pools_path() -> str:
    """Path of the list of pools, as the provider writes it."""
    return (
        f"/subscriptions/{layout.SUBSCRIPTION_ID}/resourcegroups/{layout.RESOURCE_GROUP}"
        f"/{PROVIDER}/managedClusters/{layout.CLUSTER_NAME}/agentPools"
    )


def pool_id(name: str) -> str:
    """Id of a pool, as the provider writes it."""
    return f"{pools_path()}/{name}"


def operation_url(root: str, kind: Kind, identifier: str, *, api_version: str) -> str:
    """Absolute address of an operation's status or result."""
    path = f"/subscriptions/{layout.SUBSCRIPTION_ID}/{PROVIDER}/locations/{layout.LOCATION}"
    return f"{root}{path}/{kind}/{identifier}?api-version={api_version}"


def next_page_url(root: str, *, after: str, api_version: str) -> str:
    """Absolute address of the page of pools that begins after that name."""
    return f"{root}{pools_path()}?api-version={api_version}&%24skiptoken={quote(after)}"
