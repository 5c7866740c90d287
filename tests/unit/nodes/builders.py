"""Claims and nodes in the states that these tests are about."""

from __future__ import annotations

from kaito.api.machine import Machine
from kaito.kube.kinds import Node
from tests.unit.controllers.workspace.worlds import UID

TYPE = "Standard_X"


def claim(*conditions: tuple[str, str, str], deleting: bool = False) -> Machine:
    """A claim with conditions (type, status, message)."""
    metadata = {"name": "ws1", "uid": "u"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    stages = [
        {"type": type_, "status": state, "message": said} for type_, state, said in conditions
    ]
    return Machine.model_validate({"metadata": metadata, "status": {"conditions": stages}})


def node(name: str, **changes: object) -> Node:
    """A node that a workspace of `worlds` may use, unless `changes` say otherwise.

    Args:
        name: of the node.
        changes: labels (a dict to add), type (instance type), ready (status of the condition,
            None for no condition), unschedulable and deleting.
    """
    labels = {"apps": "phi", "node.kubernetes.io/instance-type": changes.get("type", TYPE)}
    extra = changes.get("labels", {})
    assert isinstance(extra, dict)
    metadata: dict[str, object] = {"name": name, "uid": f"u-{name}", "labels": {**labels, **extra}}
    if changes.get("deleting"):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ready = changes.get("ready", "True")
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    wire = {
        "metadata": metadata,
        "spec": {"unschedulable": changes.get("unschedulable", False)},
        "status": {"conditions": conditions, "allocatable": {"nvidia.com/gpu": "1"}},
    }
    return Node.model_validate(wire)


OURS = {"kaito.sh/workspace": "w", "kaito.sh/workspace-uid": UID}
"""Labels of a node that was created for the workspace of `worlds`."""

PINNED = {"kaito.sh/workspace-uid": UID}
"""Label of a node that somebody brought and that serves the workspace of `worlds`."""

THEIRS = {"kaito.sh/workspace": "other", "kaito.sh/workspace-uid": "another-uid"}
"""Labels of a node that was created for another workspace."""
