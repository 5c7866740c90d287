"""The Service without an address of its own, which gives each pod of a group a name."""

from __future__ import annotations

from collections.abc import Mapping

from kaito.api.workspace import Workspace
from kaito.kube.kinds import SERVICES
from kaito.kube.objects import Manifest
from kaito.workloads.group import headless_name
from kaito.workloads.owner import owned_metadata, pod_labels


def rendered_headless(workspace: Workspace, *, ports: Mapping[str, int]) -> Manifest:
    """The headless Service of a workspace whose pods serve together.

    Args:
        workspace: its owner.
        ports: at which the pods meet, by name.
    """
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {**owned_metadata(workspace), "name": headless_name(workspace)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            # The pods must find each other before any of them can be ready.
            "publishNotReadyAddresses": True,
            "selector": pod_labels(workspace),
            "ports": [
                {"name": name, "protocol": "TCP", "port": port, "targetPort": port}
                for name, port in ports.items()
            ],
        },
    }
