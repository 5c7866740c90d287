"""The Service in front of a workspace's pods: 80 for requests, 29500 for torch's rendezvous."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.kinds import SERVICES
from kaito.kube.objects import Manifest
from kaito.workloads.owner import owned_metadata, pod_labels

REQUEST_PORT = 80
RENDEZVOUS_PORT = 29500


def rendered_service(workspace: Workspace, *, target_port: int, leader: str = "") -> Manifest:
    """The Service of a workspace. Only pods that are ready receive requests.

    Args:
        workspace: its annotation kaito.sh/enablelb "True" asks for a LoadBalancer.
        target_port: port that the model server listens on.
        leader: name of the one pod that answers, where several serve together.
    """
    only: Manifest = {labels.POD_NAME: leader} if leader else {}
    is_balanced = workspace.metadata.annotations.get(labels.ENABLE_LOAD_BALANCER) == "True"
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": owned_metadata(workspace),
        "spec": {
            "type": "LoadBalancer" if is_balanced else "ClusterIP",
            "selector": {**pod_labels(workspace), **only},
            "ports": [
                {
                    "name": "http",
                    "protocol": "TCP",
                    "port": REQUEST_PORT,
                    "targetPort": target_port,
                },
                {
                    "name": "torch",
                    "protocol": "TCP",
                    "port": RENDEZVOUS_PORT,
                    "targetPort": RENDEZVOUS_PORT,
                },
            ],
        },
    }
