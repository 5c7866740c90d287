"""Workspaces and GPUs, counted for Prometheus."""

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


def test_each_workspace_is_counted_once_under_its_state_and_reason() -> None:
    stalled = Condition(type="Stalled", status="True", reason="UnknownPreset")
    samples = counted(
        a_workspace("a", said("True", "WorkspaceReady")),
        a_workspace("b", said("False", "UnknownPreset"), stalled),
        a_workspace("c", said("False", "WaitingForMachines")),
        a_workspace("d", said("False", "WaitingForMachines", seconds=300)),
        a_workspace("e"),
    )
    workspaces = {
        tuple(value for _, value in key): number
        for (name, key), number in samples.items()
        if name == "kaito_workspaces"
    }

    assert workspaces == {
        ("WorkspaceReady", "Ready"): 1,
        ("UnknownPreset", "Stalled"): 1,
        ("WaitingForMachines", "Reconciling"): 2,
        ("Reconciling", "Reconciling"): 1,
    }


def test_of_those_that_wait_for_the_same_the_longest_is_told() -> None:
    samples = counted(
        a_workspace("c", said("False", "WaitingForMachines")),
        a_workspace("d", said("False", "WaitingForMachines", seconds=300)),
        a_workspace("a", said("True", "WorkspaceReady", seconds=9000)),
    )
    waits = {key: value for key, value in samples.items() if key[0].endswith("unready_seconds")}

    assert waits == {("kaito_workspace_unready_seconds", (("reason", "WaitingForMachines"),)): 300}


def test_gpus_that_serve_nobody_are_idle_and_strangers_are_not_ours() -> None:
    samples = counted(
        a_workspace("a", said("True", "WorkspaceReady"), node="one"),
        a_workspace("b", said("False", "WorkloadProgressing"), node="two"),
        a_node("one"),
        a_node("two"),
        a_node("three", bought=False),
    )
    gpus = {dict(key)["state"]: value for (name, key), value in samples.items() if "gpus" in name}

    assert gpus == {"serving": 2, "idle": 2}


def test_no_idle_gpu_is_a_zero_and_no_gap() -> None:
    samples = counted(a_workspace("a", said("True", "WorkspaceReady"), node="one"), a_node("one"))
    gpus = {dict(key)["state"]: value for (name, key), value in samples.items() if "gpus" in name}

    assert gpus == {"serving": 2, "idle": 0}
