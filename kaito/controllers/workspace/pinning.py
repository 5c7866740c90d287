"""Phases that pin the pods to nodes of the user's, and give these nodes back.

A node that was bought carries the workspace's uid from its claim; one that the user brings is
given that label once the set of nodes is complete. Pods select it, so they run on the set alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kaito.api.labels import CREATED_FOR
from kaito.api.reasons import Reason
from kaito.api.workspace import RESOURCE_READY
from kaito.controllers.workspace.nodes import chosen_nodes, free_nodes, homes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Pin, Step, Unpin, done
from kaito.kube.kinds import Node
from kaito.nodes.selection import is_held_by, is_reserved


def drop_nodes(seen: Observed) -> Step:
    """No node of the user's carries the label that can be chosen no more, once no pod is there."""
    eligible = (node.metadata.name for node in free_nodes(seen))
    return _changed((), _freed(seen, kept=(*homes(seen), *eligible)))


def pin_nodes(seen: Observed) -> Step:
    """Every node of the set carries the label, and of those that could be chosen no other does.

    They are pinned in the order of their names, whatever order they were chosen in: of several
    workspaces that want the same nodes one gets the first of them, and goes on.
    """
    chosen = sorted(chosen_nodes(seen), key=lambda node: node.metadata.name)
    pins = [
        Pin(node, seen.workspace.metadata.uid)
        for node in chosen
        if not is_held_by(seen.workspace, node)
    ]
    left = {node.metadata.name for node in free_nodes(seen) if node not in chosen}
    others = {node.metadata.name for node in seen.nodes} - left
    return _changed(pins, _freed(seen, kept=others | homes(seen)))


def rest_nodes(seen: Observed) -> Step:
    """No node of the user's carries the label that nothing runs on any more."""
    return _changed((), _freed(seen, kept=homes(seen)))


def unpin_nodes(seen: Observed) -> Step:
    """No node of the user's carries the label."""
    return _changed((), _freed(seen, kept=()))


def _freed(seen: Observed, *, kept: Iterable[str]) -> list[Unpin]:
    """Nodes of the user's that carry the label, and are not among these names."""
    stays = frozenset(kept)
    return [Unpin(node) for node in _own(seen) if node.metadata.name not in stays]


def _own(seen: Observed) -> list[Node]:
    """Nodes of the user's that carry the label, by name."""
    found = (node for node in seen.nodes if is_held_by(seen.workspace, node))
    return [node for node in found if not is_reserved(node)]


def _changed(pins: Iterable[Pin], freed: Iterable[Unpin]) -> Step:
    """The step that does this; it holds nothing up, for what it writes needs no second look."""
    actions: tuple[Pin | Unpin, ...] = (*pins, *freed)
    if not actions:
        return done("", Reason.RECONCILING)
    names = ", ".join(action.node.metadata.name for action in actions)
    message = (
        f"writing the label {CREATED_FOR}, by which pods are pinned, on {names} (the right to is in"
        " manifests/rbac)"
    )
    return replace(done(RESOURCE_READY, Reason.NODES_READY, message), actions=actions)
