"""On which nodes the pods of a workspace may run."""

from __future__ import annotations

from collections.abc import Sequence

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.objects import Manifest
from kaito.nodes.selector import match_labels
from kaito.workloads.owner import pod_labels

TOLERATIONS: tuple[Manifest, ...] = (
    {"key": labels.GPU, "operator": "Exists", "effect": "NoSchedule"},
    {
        "key": labels.SKU_TAINT_KEY,
        "operator": "Equal",
        "value": labels.SKU_TAINT_VALUE,
        "effect": "NoSchedule",
    },
)
"""Taints that GPU nodes carry, ours among them."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(workspace: Workspace, *, own: Manifest | None = None) -> Manifest:
    """Pods run on the nodes that carry the workspace's uid, and the selector's labels.

    Args:
        workspace: whose pods they are.
        own: the affinity of the user's template. Its terms are alternatives, so that ours
            are added to each of them.
    """
    wanted = match_labels(workspace.resource.label_selector)
    wanted[labels.CREATED_FOR] = workspace.metadata.uid
    ours = [
        {"key": key, "operator": "In", "values": [value]} for key, value in sorted(wanted.items())
    ]
    kept = own or {}
    node = _mapping(kept.get("nodeAffinity"))
    terms = _terms(node) or [{}]
    required = {"nodeSelectorTerms": [_with(term, ours) for term in terms]}
    return {**kept, "nodeAffinity": {**node, _REQUIRED: required}}


def apart(workspace: Workspace) -> Manifest:
    """No two pods of a workspace run on one node, whatever GPUs it has to give."""
    own = {"labelSelector": {"matchLabels": pod_labels(workspace)}, "topologyKey": labels.HOSTNAME}
    return {"podAntiAffinity": {_REQUIRED: [own]}}


def _terms(node: Manifest) -> list[Manifest]:
    """The alternatives that a node affinity requires one of."""
    found = _mapping(node.get(_REQUIRED)).get("nodeSelectorTerms")
    return [_mapping(term) for term in found] if isinstance(found, list) else []


def _with(term: Manifest, expressions: Sequence[Manifest]) -> Manifest:
    """One alternative, with more that it demands."""
    own = term.get("matchExpressions")
    return {
        **term,
        "matchExpressions": [*(own if isinstance(own, list) else ()), *expressions],
    }


def _mapping(found: object) -> Manifest:
    """An object of a template; whatever else stands there is for the API server to refuse."""
    return found if isinstance(found, dict) else {}
