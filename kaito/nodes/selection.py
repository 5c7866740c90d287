"""Which of the cluster's nodes serve a workspace."""

from __future__ import annotations

from collections.abc import Iterable

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.conditions import condition
from kaito.kube.errors import InvalidSpec
from kaito.kube.kinds import Node
from kaito.nodes.selector import is_matching, match_labels


def suitable_nodes(workspace: Workspace, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Nodes that the workspace could run on whenever they are ready, the best first.

    A node is suitable when it stays, carries the selector's labels and is of a wanted instance
    type, which preferred nodes need not be; where no type is named, it must offer GPUs. A node
    that was created for another workspace is never suitable: its GPUs are taken.
    """
    suitable = [node for node in nodes if _is_suitable(workspace, node)]
    return tuple(sorted(suitable, key=lambda node: _rank(workspace, node)))


def traits(node: Node) -> tuple[str, ...]:
    """Words under which workspaces find the nodes that may serve them; see `wanted_traits`.

    A node that was created for a workspace, or for something else, has one word only. That of its
    uid is also a word of the workspace itself, whatever nodes there are.
    """
    held_by = of_uid(holder(node))
    if is_reserved(node):
        return (held_by,)
    carried = (_with_label(key, value) for key, value in node.metadata.labels.items())
    return (*carried, held_by) if holder(node) else tuple(carried)


def wanted_traits(workspace: Workspace) -> tuple[str, ...]:
    """Words of which every node has one that could be suitable; few other nodes do."""
    own = of_uid(workspace.metadata.uid)
    try:
        wanted = match_labels(workspace.resource.label_selector)
    except InvalidSpec:
        return (own,)
    first = sorted(wanted.items())[:1]
    return (own, *(_with_label(key, value) for key, value in first))


def named_types(workspace: Workspace) -> tuple[str, ...]:
    """Instance types that the spec names, the first choice first; none leaves the choice to us."""
    resource = workspace.resource
    return tuple(dict.fromkeys(filter(None, (resource.instance_type, *resource.instance_types))))


def is_usable(node: Node) -> bool:
    """Whether pods can be put on the node now."""
    return is_ready(node) and not node.spec.unschedulable


def is_ready(node: Node) -> bool:
    """Whether the kubelet says that the node can run pods."""
    ready = condition(node.status.conditions, "Ready")
    return ready is not None and ready.status == "True"


def gpus(node: Node) -> int:
    """GPUs that pods on the node can ask for."""
    return int(node.status.allocatable.get(labels.GPU, "0"))


def is_created_for(workspace: Workspace, node: Node) -> bool:
    """Whether the node was provisioned for this very workspace."""
    return is_reserved(node) and is_held_by(workspace, node)


def is_held_by(workspace: Workspace, node: Node) -> bool:
    """Whether the node carries the label by which this workspace's pods are pinned."""
    return holder(node) == workspace.metadata.uid


def holder(node: Node) -> str:
    """Uid of the workspace whose pods are pinned to the node; "" where there is none."""
    return node.metadata.labels.get(labels.CREATED_FOR, "")


def is_reserved(node: Node) -> bool:
    """Whether the node was provisioned for somebody."""
    return not {labels.WORKSPACE, labels.RAGENGINE}.isdisjoint(node.metadata.labels)


def _is_suitable(workspace: Workspace, node: Node) -> bool:
    """Whether the workspace may run on `node`, ready or not."""
    if node.is_deleting:
        return False
    if not is_matching(node.metadata.labels, match_labels(workspace.resource.label_selector)):
        return False
    if is_reserved(node):
        return is_created_for(workspace, node)
    named = named_types(workspace)
    is_wanted = node.metadata.labels.get(labels.INSTANCE_TYPE) in named if named else gpus(node) > 0
    return is_wanted or node.metadata.name in workspace.resource.preferred_nodes


def of_uid(uid: str) -> str:
    """The word of a workspace, and of the nodes that carry its uid."""
    return f"of {uid}"


def _with_label(key: str, value: str) -> str:
    return f"{key}={value}"


def _rank(workspace: Workspace, node: Node) -> tuple[bool, bool, bool, str]:
    """Order of choice: pinned already, preferred, in use before, then by name.

    What carries our label stays: pods may be there, and more can come at any moment.
    """
    name = node.metadata.name
    return (
        not is_held_by(workspace, node),
        name not in workspace.resource.preferred_nodes,
        name not in workspace.status.worker_nodes,
        name,
    )
