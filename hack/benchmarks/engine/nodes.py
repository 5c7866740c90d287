"""Nodes as large as those of a real cluster: about 9 KB each in wire form."""

from __future__ import annotations

_CONDITIONS = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "sufficient PIDs available"),
    "KernelDeadlock": ("False", "KernelHasNoDeadlock", "the kernel has no deadlock"),
    "ReadonlyFilesystem": ("False", "FilesystemIsNotReadOnly", "the file system can be written"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
_RESOURCES = {
    "cpu": "24",
    "ephemeral-storage": "129886128Ki",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "memory": "226783616Ki",
    "nvidia.com/gpu": "1",
    "pods": "250",
}
_MOMENT = "2026-01-01T00:00:00Z"
IMAGE_COUNT = 23
"""The kubelet reports at most 50."""


def node() -> dict[str, object]:
    """A template of them."""
    return {
        "metadata": {
            "labels": {f"node.example/label-{place:02d}": f"value-{place}" for place in range(24)},
            "annotations": {
                f"node.example/note-{place}": "a note of no importance" for place in range(8)
            },
            "managedFields": [_managed("kubelet"), _managed("kube-controller-manager")],
        },
        "spec": {"providerID": "azure:///subscriptions/s/resourceGroups/g/machines/m"},
        "status": {
            "capacity": _RESOURCES,
            "allocatable": _RESOURCES,
            "addresses": [
                {"type": "InternalIP", "address": "10.0.0.4"},
                {"type": "Hostname", "address": "aks-gpu-00000000-vmss000000"},
            ],
            "conditions": [_condition(type, *said) for type, said in _CONDITIONS.items()],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "8a4e3b0e-7f5d-4d3b-9d2e-1d1c8a9b7c6d",
                "containerRuntimeVersion": "containerd://2.0.0",
                "kernelVersion": "6.8.0-1021",
                "kubeletVersion": "v1.34.0",
                "operatingSystem": "linux",
                "osImage": "Ubuntu 24.04 LTS",
            },
            "images": [_image(place) for place in range(IMAGE_COUNT)],
        },
    }


def _condition(type: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": _MOMENT,
        "lastTransitionTime": _MOMENT,
    }


def _image(place: int) -> dict[str, object]:
    name = f"registry.example/team-{place}/some-workload"
    digest = f"{place:02d}" * 32
    return {"names": [f"{name}@sha256:{digest}", f"{name}:v1.{place}.0"], "sizeBytes": 10**8}


def _managed(manager: str) -> dict[str, object]:
    fields: dict[str, object] = {
        f"k:{{{type}}}": {".": {}, "f:status": {}, "f:lastHeartbeatTime": {}}
        for type in _CONDITIONS
    }
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": _MOMENT,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": fields, "f:images": {}, "f:nodeInfo": {}}},
    }
