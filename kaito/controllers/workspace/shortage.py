"""What is missing, and why a node at hand does not count."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.observe import Observed
from kaito.kube.kinds import Node
from kaito.nodes.selection import (
    gpus,
    is_created_for,
    is_ready,
    is_reserved,
    is_usable,
    named_types,
)
from kaito.nodes.selector import match_labels

SHORTAGE_SECONDS = 10.0
"""How soon it is said anew: a node that a workspace does not select yet wakes nobody."""
_MOST = 5
"""Of how many nodes it is said why they do not count."""


def shortage(seen: Observed, *, chosen: Collection[Node], free: Collection[Node]) -> str:
    """What is missing where nodes are only brought, and the remedy.

    Args:
        seen: a look that has fewer nodes than are wanted.
        chosen: those that it has.
        free: suitable ones, ready or not, that nobody else uses.
    """
    workspace = seen.workspace
    wanted = match_labels(workspace.resource.label_selector)
    words = [f"{key}={value}" for key, value in wanted.items()]
    have = {node.metadata.name for node in chosen}
    fitting = {node.metadata.name for node in free}
    others = [node for node in seen.nodes if node.metadata.name not in have]
    said = (
        f"node {node.metadata.name} {_why(seen, node, is_free=node.metadata.name in fitting)}"
        for node in others[:_MOST]
    )
    left = len(others) - _MOST
    first = (
        f"{len(chosen)} of {workspace.resource.count} nodes are ready and carry {','.join(words)},"
        f" and none is bought: add one, or `kubectl label node NODE {' '.join(words)}`"
    )
    return "; ".join((first, *said, *((f"and {left} more",) if left > 0 else ())))


def misfit(seen: Observed) -> str:
    """Which node was bought and is paid for, and has another value of a label; "" where none is."""
    workspace = seen.workspace
    wanted = match_labels(workspace.resource.label_selector)
    for node in seen.nodes:
        if not is_created_for(workspace, node) or not is_usable(node):
            continue
        for key, value in wanted.items():
            if (found := node.metadata.labels.get(key, value)) != value:
                return (
                    f"node {node.metadata.name}, which was bought, has {key}={found}, and"
                    f" resource.labelSelector asks for {value}: label the node, or delete the"
                    " Workspace and create it anew with a label of your own"
                )
    return ""


def _why(seen: Observed, node: Node, *, is_free: bool) -> str:
    """Why a node does not count."""
    reasons = (*_unsuited(seen.workspace, node), *_elsewhere(seen, node))
    found = next(iter(reasons), "")
    if found:
        return found
    if not is_free:
        return "is too small for the model"
    return "is cordoned" if is_ready(node) else "is not ready"


def _unsuited(workspace: Workspace, node: Node) -> Iterator[str]:
    """What a workspace has against a node, whoever uses it."""
    carried = node.metadata.labels
    for key, value in match_labels(workspace.resource.label_selector).items():
        if carried.get(key) != value:
            yield f"lacks the label {key}={value}"
    if node.is_deleting:
        yield "is going"
    named = named_types(workspace)
    type_ = carried.get(labels.INSTANCE_TYPE, "")
    if node.metadata.name in workspace.resource.preferred_nodes:
        return
    if named and type_ not in named:
        yield f"is of type {type_ or 'unknown'}, and not {' or '.join(named)}"
    if not named and gpus(node) == 0:
        yield f"offers no {labels.GPU}: the device plugin reports it"


def _elsewhere(seen: Observed, node: Node) -> Iterator[str]:
    """Whether somebody else has it."""
    is_others = is_reserved(node) and not is_created_for(seen.workspace, node)
    if is_others or node.metadata.name in seen.taken:
        yield "is in use by another Workspace"
