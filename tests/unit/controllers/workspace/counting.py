"""What a scrape counts of Workspaces and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from prometheus_client import CollectorRegistry

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.metrics import census
from kaito.controllers.workspace.observe import Stores
from kaito.kube.exposition import Census
from kaito.kube.kinds import Deployment, Job, Node, Pod, Service, StatefulSet
from kaito.kube.objects import Condition
from kaito.kube.store import Store
from tests.unit.cli import scenes


def a_workspace(name: str, *conditions: Condition, node: str = "") -> Workspace:
    """A Workspace of that name whose worker is that node."""
    seen = scenes.a_workspace()
    status = seen.status.model_copy(
        update={"conditions": conditions, "worker_nodes": (node,) if node else ()}
    )
    meta = seen.metadata.model_copy(update={"name": name, "resource_version": "1"})
    return seen.model_copy(update={"metadata": meta, "status": status})


def a_node(name: str, *, bought: bool = True) -> Node:
    """A node with two GPUs."""
    labels = {"node.kubernetes.io/instance-type": "Standard_X"}
    return Node.model_validate(
        {
            "metadata": {
                "name": name,
                "resourceVersion": "1",
                "labels": {**labels, **({"kaito.sh/workspace": "a"} if bought else {})},
            },
            "status": {"capacity": {"nvidia.com/gpu": "2"}},
        }
    )


def counted(*objects: Workspace | Node) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape."""
    stores = Stores(
        workspaces=Store[Workspace](),
        machines=Store[Machine](),
        node_claims=Store[NodeClaim](),
        nodes=Store[Node](),
        services=Store[Service](),
        deployments=Store[Deployment](),
        stateful_sets=Store[StatefulSet](),
        jobs=Store[Job](),
        pods=Store[Pod](),
    )
    for each in objects:
        if isinstance(each, Workspace):
            stores.workspaces.put(each)
        else:
            stores.nodes.put(each)
    registry = CollectorRegistry()
    registry.register(Census(census(stores, lambda: scenes.NOW)))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def said(status: str, reason: str, *, seconds: float = 60) -> Condition:
    """The Ready condition, true for so long."""
    since = scenes.NOW - timedelta(seconds=seconds)
    return Condition(type="Ready", status=status, reason=reason, last_transition_time=since)
