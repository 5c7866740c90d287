"""Who a rendered object belongs to, so that the API server removes it with its Workspace."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.kube.objects import Manifest


def owned_metadata(workspace: Workspace, *, annotations: dict[str, str] | None = None) -> Manifest:
    """Metadata of an object that is named after `workspace` and belongs to it.

    It does not block the owner's deletion: that would need a right on the owner's finalizers,
    and the controller deletes the workload itself, before it lets the Workspace go.
    """
    return {
        "name": workspace.metadata.name,
        "namespace": workspace.metadata.namespace,
        "labels": pod_labels(workspace),
        "annotations": annotations or {},
        "ownerReferences": [
            {
                "apiVersion": WORKSPACES.api_version,
                "kind": WORKSPACES.kind,
                "name": workspace.metadata.name,
                "uid": workspace.metadata.uid,
                "controller": True,
            }
        ],
    }


def pod_labels(workspace: Workspace) -> dict[str, str]:
    """Labels that pods carry and that Services and Deployments select by."""
    return {labels.WORKSPACE: workspace.metadata.name}
