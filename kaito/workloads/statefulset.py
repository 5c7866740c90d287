"""The StatefulSet around pods that serve one copy of a model together."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.kinds import STATEFULSETS
from kaito.kube.objects import Manifest
from kaito.workloads.group import headless_name
from kaito.workloads.owner import owned_metadata, pod_labels
from kaito.workloads.revision import revision


def stateful_set_of(workspace: Workspace, template: Manifest) -> Manifest:
    """A StatefulSet of pods made from `template`, annotated with its own revision.

    Args:
        workspace: its owner; one pod runs on each of its nodes.
        template: a pod template that carries the workspace's pod labels.
    """
    spec: Manifest = {
        "replicas": workspace.resource.count,
        "serviceName": headless_name(workspace),
        # No pod answers before all are there: one after the other would wait for ever.
        "podManagementPolicy": "Parallel",
        "revisionHistoryLimit": 10,
        "updateStrategy": {
            "type": "RollingUpdate",
            # A part of a group is of no use. Older API servers drop this, and replace one by one.
            "rollingUpdate": {"maxUnavailable": "100%"},
        },
        "selector": {"matchLabels": pod_labels(workspace)},
        "template": template,
    }
    return {
        "apiVersion": STATEFULSETS.api_version,
        "kind": STATEFULSETS.kind,
        "metadata": owned_metadata(workspace, annotations={labels.REVISION: revision(spec)}),
        "spec": spec,
    }
