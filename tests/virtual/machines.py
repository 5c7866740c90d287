"""The machines of the cloud: each joins the cluster as a node, and is usable a while later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kaito.api import labels
from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.virtual.api import Api
from tests.virtual.cloud import Arm
from tests.virtual.wire import Json

BOOT_SECONDS = (3.0, 12.0)
"""From when an even one joins until it is ready, and an odd one."""

Ask = Callable[[str, str, object], Json]


class Machines:
    """Sees to the nodes of all pools.

    Attributes:
        silent: how many of the first pools have a machine that never joins.
    """

    def __init__(self, api: Api, arm: Arm, ask: Ask) -> None:
        self._api = api
        self._arm = arm
        self._ask = ask
        self._due: dict[str, float] = {}
        self.silent = 0.0

    def seconds_to_change(self) -> float | None:
        """How long until a machine is ready; None while none is booting."""
        due = min(self._due.values(), default=None)
        return None if due is None else max(0.0, due - self._arm.now())

    def turn(self) -> None:
        """A pool that is up has a node; the node of a pool that is gone is gone.

        A node of no pool is somebody's own.
        """
        pools = {pool["name"]: pool["properties"] for pool in self._arm.pools()}
        nodes = {node["metadata"]["name"] for node in self._api.items("nodes")}
        for name, pool in pools.items():
            is_up = pool["provisioningState"] == "Succeeded" and _node(name) not in nodes
            if is_up and self._number(name) > self.silent:
                self._join(name, pool)
        for node in self._api.items("nodes"):
            if node["metadata"]["labels"].get(labels.AGENT_POOL) not in {None, *pools}:
                self._ask("DELETE", NODES.path(Ref("", node["metadata"]["name"])), {})
        self._boot()

    def _number(self, name: str) -> int:
        """Which of all pools that ever were created it is, from 1."""
        launched = [deed.pool for deed in self._arm.deeds if deed.verb == "launch"]
        return len(launched) - launched[::-1].index(name)

    def _join(self, name: str, pool: Json) -> None:
        number = self._number(name)
        carried = {
            **pool.get("nodeLabels", {}),
            labels.AGENT_POOL: name,
            labels.AKS_AGENT_POOL: name,
            labels.INSTANCE_TYPE: pool["vmSize"],
        }
        node = {
            "metadata": {"name": _node(name), "labels": carried},
            "spec": {"providerID": f"azure:///{name}/{number}"},
            "status": {"conditions": [readiness("False", self._arm.now())]},
        }
        self._ask("POST", NODES.path(), node)
        self._due[_node(name)] = self._arm.now() + BOOT_SECONDS[number % 2]

    def _boot(self) -> None:
        """Those whose time has come are ready, and show their GPU."""
        for name, due in list(self._due.items()):
            if due > self._arm.now():
                continue
            del self._due[name]
            status = {
                "conditions": [readiness("True", self._arm.now())],
                "allocatable": {labels.GPU: "1"},
            }
            path = NODES.path(Ref("", name), subresource="status")
            self._ask("PATCH", path, {"status": status})


def readiness(status: str, at: float) -> Json:
    """The condition that says since when a node or a pod is ready, or is not."""
    since = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "Ready", "status": status, "lastTransitionTime": since}


def is_ready(node: Json) -> bool:
    """Whether pods can run on a node."""
    conditions = node["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _node(pool: str) -> str:
    return f"node-{pool}"
