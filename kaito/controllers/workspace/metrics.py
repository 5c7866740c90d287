"""Workspaces and the GPUs bought for them, counted by what they are doing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import READY, STALLED, Workspace
from kaito.controllers.workspace.observe import Stores
from kaito.kube.conditions import condition, is_true
from kaito.kube.kinds import Node

Key = tuple[str, ...]


def census(stores: Stores, now: Callable[[], datetime]) -> Callable[[], Iterator[Metric]]:
    """What counts the stores' content at the time of a scrape."""

    def count() -> Iterator[Metric]:
        workspaces = stores.workspaces.list()
        yield from _of_workspaces(workspaces, now())
        yield from _of_gpus(workspaces, stores.nodes.list())

    return count


def _of_workspaces(workspaces: Iterable[Workspace], now: datetime) -> Iterator[Metric]:
    """How many there are in each state, and how long the longest has been so."""
    counted: dict[Key, float] = defaultdict(float)
    longest: dict[str, float] = {}
    for workspace in workspaces:
        state, reason = standing(workspace)
        counted[state, reason] += 1
        if state != "Ready":
            longest[reason] = max(longest.get(reason, 0.0), _unready_seconds(workspace, now))
    yield _gauge("kaito_workspaces", "Workspaces by state", ("state", "reason"), counted)
    yield _gauge(
        "kaito_workspace_unready_seconds",
        "How long the Workspace that has waited longest for a reason is not ready",
        ("reason",),
        {(reason,): seconds for reason, seconds in longest.items()},
    )


def standing(workspace: Workspace) -> tuple[str, str]:
    """State and reason of a Workspace, both from closed vocabularies."""
    whole = condition(workspace.status.conditions, READY)
    reason = whole.reason if whole else str(Reason.RECONCILING)
    if workspace.is_deleting:
        return "Deleting", reason
    if is_true(workspace.status.conditions, STALLED):
        return "Stalled", reason
    return ("Ready" if whole and whole.status == "True" else "Reconciling"), reason


def _unready_seconds(workspace: Workspace, now: datetime) -> float:
    """Seconds since it was ready last, or was created."""
    whole = condition(workspace.status.conditions, READY)
    since = whole.last_transition_time if whole else workspace.metadata.creation_timestamp
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _of_gpus(workspaces: Iterable[Workspace], nodes: Iterable[Node]) -> Iterator[Metric]:
    """GPUs of nodes that were made for Workspaces; idle are those that neither serve nor tune."""
    work = {
        name: doing
        for workspace in workspaces
        if (doing := _work(workspace))
        for name in workspace.status.worker_nodes
    }
    counted: dict[Key, float] = defaultdict(float)
    for node in nodes:
        if labels.WORKSPACE not in node.metadata.labels:
            continue
        state = work.get(node.metadata.name, "idle")
        bought = node.metadata.labels.get(labels.INSTANCE_TYPE, "")
        counted[bought, state] += _gpus(node)
        counted[bought, "idle"] += 0.0
    yield _gauge(
        "kaito_gpus",
        "GPUs of nodes that were made for Workspaces: serving, tuning or idle",
        ("instance_type", "state"),
        counted,
    )


def _work(workspace: Workspace) -> str:
    """What the nodes of a Workspace are doing, "" for nothing."""
    state, reason = standing(workspace)
    if state == "Ready":
        return "serving"
    return "tuning" if (state, reason) == ("Reconciling", Reason.TUNING) else ""


def _gpus(node: Node) -> int:
    """How many GPUs a node reports; 1 where the device plugin has not reported any yet."""
    told = node.status.capacity.get(labels.GPU, "")
    return int(told) if told.isdecimal() else 1


def _gauge(name: str, text: str, keys: Key, values: Mapping[Key, float]) -> Metric:
    """One family."""
    family = GaugeMetricFamily(name, text, labels=keys)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family
