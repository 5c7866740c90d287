"""Values that the kubelet's tests are made of."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from hack.cluster.kubelet.bubblewrap import BWRAP
from hack.cluster.kubelet.fields import Place
from hack.cluster.kubelet.instances import Instance
from hack.cluster.kubelet.pod import Container, Pod
from hack.cluster.kubelet.states import Running, Terminated, View, Waiting

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
SHELL = "local/shell:1"
PLACE = Place("node-1", "10.31.0.7", "10.239.3.9", {"cpu": "4", "memory": "8Gi"})


def _why_not() -> str:
    """Why containers cannot run on this machine; "" when they can."""
    probe = [BWRAP, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc"]
    try:
        subprocess.run([*probe, "true"], check=True, capture_output=True, timeout=10)
    except FileNotFoundError:
        return "bubblewrap is not installed"
    except subprocess.CalledProcessError as error:
        return f"bubblewrap cannot make namespaces here: {error.stderr.decode()[:100]}"
    return ""


_REASON = _why_not()
needs_bubblewrap = pytest.mark.skipif(bool(_REASON), reason=_REASON or "it runs")


def a_container(name: object = "main", **fields: object) -> dict[str, object]:
    """A container in wire form, of the shell image."""
    return {"name": name, "image": SHELL, **fields}


def a_wire_pod(*containers: dict[str, object], **spec: object) -> dict[str, object]:
    """A pod in wire form, bound to node-1."""
    return {
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "11111111-2222-3333-4444-555555555555",
            "generation": 1,
            "labels": {"app": "web", "tier": "front"},
        },
        "spec": {"nodeName": "node-1", "containers": list(containers), **spec},
    }


def a_pod(*containers: dict[str, object], **spec: object) -> Pod:
    """The same, decoded."""
    return Pod.model_validate(a_wire_pod(*(containers or (a_container(),)), **spec))


def container(**fields: object) -> Container:
    """A decoded container."""
    return Container.model_validate(a_container(**fields))


def waiting(name: str = "main", reason: str = "ContainerCreating") -> View:
    """A container that never ran."""
    return View(name, SHELL, Waiting(reason))


def running(name: str = "main", *, ready: bool = True, started: bool = True) -> View:
    """A container that runs."""
    return View(name, SHELL, Running(EARLIER), ready=ready, started=started)


def terminated(name: str = "main", *, code: int = 0) -> View:
    """A container that has ended."""
    reason = "Error" if code else "Completed"
    return View(name, SHELL, Terminated(code, reason, EARLIER, NOW))


def an_instance(**fields: object) -> Instance:
    """A pool of one GPU machine."""
    wire: dict[str, object] = {
        "pool": "wsa1",
        "state": "Succeeded",
        "vmSize": "Standard_NC6s_v3",
        "ordinals": [7],
        "scaleSet": "aks-wsa1-12345678-vmss",
        "nodeResourceGroup": "MC_group_cluster_local",
        "labels": {"apps": "phi-3"},
        "taints": ["sku=gpu:NoSchedule"],
        "gpus": 1,
        "vcpus": 6,
        "memoryGiB": 112,
        "osDiskSizeGiB": 50,
        "mode": "User",
    }
    return Instance.model_validate({**wire, **fields})


@dataclass(slots=True)
class Told:
    """Collects events instead of sending them."""

    reasons: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def warn(self, pod: Pod, reason: str, message: str) -> None:
        """Keep what is said."""
        assert pod.metadata.name
        assert message
        self.reasons.append(reason)
        self.messages.append(message)

    def tell(self, pod: Pod, reason: str, message: str) -> None:
        """Keep what is said."""
        self.warn(pod, reason, message)
