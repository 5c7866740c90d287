"""What a user may want and do, and what goes wrong in the cloud and with its machines meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hack.cluster.arm.faults import Fault, Match, Rule
from tests.virtual.stuck import NODELESS, UNSOLD, Stuck
from tests.virtual.wire import Json

FIRST_TYPE, SECOND_TYPE = "Standard_NC6s_v3", "Standard_NC24ads_A100_v4"
SMALL_TYPE = "Standard_NV36ads_A10_v5"
"""A node of it holds half of `LARGE_MODEL`."""
MODEL, LARGE_MODEL = "phi-3-mini-4k-instruct", "granite-4.1-8b"


class Workload(StrEnum):
    """What the user does."""

    CREATE = "create"
    DELETE = "create, and delete when it serves"
    REGRET = "create, and delete half-way"
    AGAIN = "create, delete half-way, and create again"
    SOLD_OUT = "create, where the first machine fails"
    UNSOLD = "create, where the type is not sold, and delete"
    WITHDRAWN = "create, where the type turns out not to be sold, and delete"
    REPLACED = "create, where the first machine never joins"
    NODELESS = "create, where no machine ever joins, and delete"
    FALLBACK = "create with a second type, where the first is not sold"
    FALLBACK_REGRET = "the same, and delete half-way"
    PAIR = "create for two machines"
    PAIR_REGRET = "create for two machines, and delete half-way"
    ROBBED = "create, and somebody deletes the pool of the machine that serves"
    ADAPTED = "create, and name another adapter when it serves"
    GROUP = "create for two machines that serve together, whose StatefulSet is lost, and delete"
    GROUP_ROBBED = "create for two machines that serve together, and somebody deletes one's pool"
    BROUGHT = "create two where two machines were brought, take a label off, and delete both"


STUCK: Mapping[Workload, Stuck] = {
    Workload.UNSOLD: UNSOLD,
    Workload.WITHDRAWN: UNSOLD,
    Workload.NODELESS: NODELESS,
}
"""How the user finds it before it is deleted."""
HALF_WAY = (Workload.REGRET, Workload.AGAIN, Workload.FALLBACK_REGRET, Workload.PAIR_REGRET)
GOING = frozenset({Workload.DELETE, Workload.GROUP, Workload.BROUGHT, *HALF_WAY, *STUCK}) - {
    Workload.AGAIN
}
"""Nothing is left of these in the end."""
GROUPS = (Workload.GROUP, Workload.GROUP_ROBBED)
PAIRS = (Workload.PAIR, Workload.PAIR_REGRET, *GROUPS)

_UNSOLD = Rule(fault=Fault.SKU, match=Match(vm_size=FIRST_TYPE))
RULES: Mapping[Workload, Rule] = {
    Workload.SOLD_OUT: Rule(fault=Fault.ALLOCATION, times=1),
    Workload.UNSOLD: _UNSOLD,
    Workload.WITHDRAWN: Rule(fault=Fault.ALLOCATION, code="SkuNotAvailable"),
    Workload.FALLBACK: _UNSOLD,
    Workload.FALLBACK_REGRET: _UNSOLD,
}
"""What goes wrong in the cloud."""
SILENT: Mapping[Workload, float] = {Workload.REPLACED: 1, Workload.NODELESS: float("inf")}
"""How many of the first pools have a machine that never joins."""


def machines(workload: Workload) -> int:
    """How many machines a Workspace wants."""
    return 2 if workload in PAIRS else 1


def services(workload: Workload) -> int:
    """How many Services it has: machines that serve together need one to find each other."""
    return 2 if workload in GROUPS else 1


def spec(workload: Workload) -> dict[str, Any]:
    """What a Workspace says beside its name."""
    resource: dict[str, Any] = {
        "instanceType": FIRST_TYPE,
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }
    if workload in (Workload.FALLBACK, Workload.FALLBACK_REGRET):
        resource["instanceTypes"] = [SECOND_TYPE]
    if workload in PAIRS:
        resource["count"] = machines(workload)
    if workload in GROUPS:
        resource["instanceType"] = SMALL_TYPE
    model = LARGE_MODEL if workload in GROUPS else MODEL
    inference: dict[str, Any] = {"preset": {"name": model}}
    if workload is Workload.ADAPTED:
        inference["adapters"] = [adapter("first")]
    return {"resource": resource, "inference": inference}


def adapter(name: str) -> Json:
    """An adapter of that name."""
    return {"source": {"name": name, "image": f"registry.example/adapters/{name}:1"}}
