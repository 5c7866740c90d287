"""The cloud of AKS, aimed at the ARM server."""

from __future__ import annotations

from pathlib import Path

from hack.cluster import layout
from provisioner.azure.client import AksCloud, Cluster
from provisioner.azure.credentials import Identity, credential
from tests.unit.cluster.arm.conftest import Server

SCOPE = "https://management.azure.com/.default"


def aks(server: Server, token_file: Path, *, cluster: str = layout.CLUSTER_NAME) -> AksCloud:
    """The cloud over TLS, signing in with that federated token file."""
    ca_file = str(server.credentials.folder / "ca.crt")
    identity = Identity(layout.TENANT_ID, layout.CLIENT_ID, str(token_file), server.url, ca_file)
    where = Cluster(
        layout.SUBSCRIPTION_ID, layout.RESOURCE_GROUP, cluster, server.url, SCOPE, ca_file
    )
    return AksCloud(where, credential(identity), call_seconds=5)
