"""The kustomization that a cluster applies: manifests' own local overlay and this run's values."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from hack.cluster import layout as names
from hack.cluster.layout import Layout

CONFIG_MAP = "provisioner-azure"


def overlay(layout: Layout) -> Path:
    """Write home/overlay and return it; `kubectl apply -k` takes it."""
    folder = layout.home / "overlay"
    folder.mkdir(exist_ok=True)
    manifests = layout.repo / "manifests" / "overlays" / "local"
    (folder / "arm-ca.crt").write_bytes(layout.arm_ca_certificate.read_bytes())
    values = {
        "AZURE_SUBSCRIPTION_ID": names.SUBSCRIPTION_ID,
        "AZURE_TENANT_ID": names.TENANT_ID,
        "AZURE_CLIENT_ID": names.CLIENT_ID,
        "AZURE_RESOURCE_GROUP": names.RESOURCE_GROUP,
        "AZURE_CLUSTER_NAME": names.CLUSTER_NAME,
        "AZURE_LOCATION": names.LOCATION,
        "ARM_ENDPOINT": layout.arm_url,
    }
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        # kustomize takes no absolute paths, and follows links before it looks.
        "resources": [os.path.relpath(manifests.resolve(), folder.resolve())],
        "configMapGenerator": [
            {
                "name": CONFIG_MAP,
                "namespace": names.OPERATOR_NAMESPACE,
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in values.items()],
                "files": ["arm-ca.crt"],
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder
