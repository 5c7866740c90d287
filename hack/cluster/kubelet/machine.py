"""One virtual machine, and the Node that its kubelet registers. Pure."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hack.cluster.kubelet.instances import SUCCEEDED, Instance
from hack.cluster.kubelet.status import wire_time
from hack.cluster.layout import KUBELET_PORT, LOCATION, SUBSCRIPTION_ID, Layout
from kaito.api.labels import AGENT_POOL, AKS_AGENT_POOL, ARCH, GPU, INSTANCE_TYPE, OPERATING_SYSTEM
from kaito.kube.conditions import merged
from kaito.kube.kinds import Taint
from kaito.kube.objects import Condition, Manifest

CLUSTER_LABEL = "kubernetes.azure.com/cluster"
PODS = "110"
NO_PLUGIN = "local.kaito.sh/no-device-plugin"
"""Label of a pool whose nodes come up without a device plugin: nobody reports their GPUs."""
PLUGIN = "local.kaito.sh/device-plugin"
"""Annotation by which a test installs it on such a node."""
GOOD = ("MemoryPressure", "DiskPressure", "PIDPressure")
"""Conditions that are False on a healthy node."""

OURS = (*GOOD, "Ready")
"""Conditions that the kubelet sets; others belong to others."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a pool.

    Attributes:
        instance: the pool.
        index: which of its machines, from 0.
        number: unique in the cluster; gives the address.
        is_mended: its device plugin, which its pool came without, was installed later.
    """

    instance: Instance
    index: int
    number: int
    is_mended: bool = False

    @property
    def has_plugin(self) -> bool:
        """Whether anybody reports its GPUs."""
        return self.is_mended or NO_PLUGIN not in self.instance.labels

    @property
    def name(self) -> str:
        """Of the Node, as AKS names it: "aks-<pool>-<8 digits>-vmss000000"."""
        return f"{self.instance.scale_set}{self.index:06d}"

    @property
    def identity(self) -> tuple[str, int]:
        """Another one, when a pool of the same name was made anew."""
        return self.name, self.number

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being done to its pool."""
        return self.instance.state == SUCCEEDED

    @property
    def provider_id(self) -> str:
        """Where Azure has it."""
        return (
            f"azure:///subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{self.node_group}"
            "/providers/Microsoft.Compute/virtualMachineScaleSets"
            f"/{self.instance.scale_set}/virtualMachines/{self.index}"
        )

    @property
    def capacity(self) -> dict[str, str]:
        """What it offers.

        On a real cluster NVIDIA's device plugin reports the GPUs, a while after the node is
        Ready. Here the machine has none, and the kubelet reports what its size would have.
        """
        gpus = {GPU: str(self.instance.gpus)} if self.instance.gpus and self.has_plugin else {}
        return {
            "cpu": str(self.instance.vcpus),
            "memory": f"{int(self.instance.memory_gib * 1024)}Mi",
            "ephemeral-storage": f"{self.instance.disk_gib}Gi",
            "pods": PODS,
            **gpus,
        }

    @property
    def node_group(self) -> str:
        """Resource group of the machine, as the cloud provider writes it: in lower case."""
        return self.instance.node_resource_group.lower()


def machines(instances: tuple[Instance, ...]) -> tuple[Machine, ...]:
    """All machines that run."""
    return tuple(
        Machine(instance, index, number)
        for instance in instances
        for index, number in enumerate(instance.ordinals)
    )


def labels(machine: Machine) -> dict[str, str]:
    """What AKS and the kubelet say of a node, and what the pool adds."""
    instance = machine.instance
    architecture = "arm64" if platform.machine() == "aarch64" else "amd64"
    return {
        **instance.labels,
        AGENT_POOL: instance.pool,
        AKS_AGENT_POOL: instance.pool,
        CLUSTER_LABEL: machine.node_group,
        "kubernetes.azure.com/mode": instance.mode.lower(),
        INSTANCE_TYPE: instance.vm_size,
        "beta.kubernetes.io/instance-type": instance.vm_size,
        "kubernetes.io/hostname": machine.name,
        OPERATING_SYSTEM: "linux",
        ARCH: architecture,
        "kubernetes.io/role": "agent",
        "topology.kubernetes.io/region": LOCATION,
        "topology.kubernetes.io/zone": "0",
        "topology.disk.csi.azure.com/zone": "",
    }


def taint(text: str) -> Taint:
    """A pool's "key=value:effect" or "key:effect" as a taint of its nodes."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return Taint(key=key, value=value, effect=effect)


def node_manifest(machine: Machine, layout: Layout, *, version: str, now: datetime) -> Manifest:
    """The Node as the kubelet first posts it: not ready yet.

    Args:
        machine: which one.
        layout: of the cluster.
        version: of Kubernetes, e.g. "v1.36.3".
        now: of its conditions.
    """
    return {
        "metadata": {
            "name": machine.name,
            "labels": labels(machine),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {
            "providerID": machine.provider_id,
            "taints": [taint(one).model_dump() for one in machine.instance.taints],
        },
        "status": node_status(machine, layout, version=version, conditions=conditions((), now)),
    }


def node_status(
    machine: Machine, layout: Layout, *, version: str, conditions: Sequence[Manifest]
) -> Manifest:
    """The status that the kubelet writes, for a strategic merge patch."""
    return {
        "capacity": machine.capacity,
        "allocatable": machine.capacity,
        "addresses": [
            {"type": "InternalIP", "address": layout.node_address(machine.number)},
            {"type": "Hostname", "address": machine.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "conditions": list(conditions),
        "nodeInfo": _node_info(machine, version),
    }


def conditions(
    before: Sequence[Condition], now: datetime, *, ready: bool = False
) -> tuple[Manifest, ...]:
    """The node's conditions in wire form; a time moves only when its status does.

    Args:
        before: as the Node has them; empty for a new one.
        now: of this heartbeat.
        ready: whether the node takes pods.
    """
    told = ("KubeletReady", "the process kubelet runs pods")
    if not ready:
        told = ("KubeletNotReady", "the machine has just booted")
    fresh = (
        *(_verdict(type, "False", f"KubeletHasNo{type}", "nothing is measured") for type in GOOD),
        _verdict("Ready", str(ready), *told),
    )
    return tuple(
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "lastHeartbeatTime": wire_time(now),
            "lastTransitionTime": wire_time(one.last_transition_time or now),
        }
        for one in merged(before, fresh, now=now)
        if one.type in OURS
    )


def _verdict(type: str, status: str, reason: str, message: str) -> Condition:
    return Condition(type=type, status=status, reason=reason, message=message)


def _node_info(machine: Machine, version: str) -> dict[str, str]:
    identity = hashlib.sha256(machine.provider_id.encode()).hexdigest()[:32]
    return {
        "machineID": identity,
        "systemUUID": identity,
        "bootID": identity,
        "kernelVersion": platform.release(),
        "osImage": "bubblewrap on this machine",
        "containerRuntimeVersion": "bubblewrap://0.8",
        "kubeletVersion": version,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": labels(machine)[ARCH],
    }
