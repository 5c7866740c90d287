"""The kustomization that a cluster applies: manifests' own local overlay and this run's values."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from hack.cluster import layout as names
from hack.cluster.layout import Layout


def overlay(layout: Layout) -> Path:
    """Write home/overlay and return it; `kubectl apply -k` takes it."""
    folder = layout.home / "overlay"
    folder.mkdir(exist_ok=True)
    manifests = layout.repo / "manifests" / "overlays" / "local"
    (folder / "ca.crt").write_bytes(layout.arm_ca_certificate.read_bytes())
    values = {
        "ARM_SUBSCRIPTION_ID": names.SUBSCRIPTION_ID,
        "ARM_RESOURCE_GROUP": names.RESOURCE_GROUP,
        "AZURE_AUTHORITY_HOST": layout.arm_url,
        "AZURE_CLIENT_ID": names.CLIENT_ID,
        "AZURE_CLUSTER_NAME": names.CLUSTER_NAME,
        "AZURE_TENANT_ID": names.TENANT_ID,
        "LOCATION": names.LOCATION,
        "PROVISIONER_ARM_ENDPOINT": layout.arm_url,
    }
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        # kustomize takes no absolute paths, and follows links before it looks.
        "resources": [os.path.relpath(manifests.resolve(), folder.resolve())],
        "configMapGenerator": [
            _merged(
                "provisioner-azure", literals=[f"{key}={value}" for key, value in values.items()]
            ),
            _merged("arm-ca", files=["ca.crt"]),
            {
                "name": "kaito-settings",
                "namespace": names.OPERATOR_NAMESPACE,
                # The registry's authority is the cluster's own, which every namespace has.
                "literals": ["KAITO_CA_BUNDLE=kube-root-ca.crt"],
            },
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def _merged(name: str, **sources: list[str]) -> dict[str, object]:
    """More values for a ConfigMap that the local overlay generates."""
    namespace = names.OPERATOR_NAMESPACE
    return {"name": name, "namespace": namespace, "behavior": "merge", **sources}
