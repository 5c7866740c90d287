"""The Deployment around a workspace's pods, whoever wrote their template."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.kinds import DEPLOYMENTS
from kaito.kube.objects import Manifest
from kaito.workloads.owner import owned_metadata, pod_labels
from kaito.workloads.revision import revision


def deployment_of(
    workspace: Workspace, template: Manifest, *, deadline_seconds: int, settling_seconds: int = 0
) -> Manifest:
    """A Deployment of pods made from `template`, annotated with its own revision.

    Args:
        workspace: its owner; one pod runs on each of its nodes.
        template: a pod template that carries the workspace's pod labels.
        deadline_seconds: how long a roll may go without progress.
        settling_seconds: how long a pod has to be ready on end before it counts.
    """
    spec: Manifest = {
        "replicas": workspace.resource.count,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": deadline_seconds,
        **({"minReadySeconds": settling_seconds} if settling_seconds else {}),
        # A new pod cannot start beside the old one: the node's GPUs are taken.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
        },
        "selector": {"matchLabels": pod_labels(workspace)},
        "template": template,
    }
    return {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "metadata": owned_metadata(workspace, annotations={labels.REVISION: revision(spec)}),
        "spec": spec,
    }
