"""The phase in which the node becomes usable: ready, free of taints, its GPUs visible."""

from __future__ import annotations

from collections.abc import Mapping

from kaito.api import labels
from kaito.kube.kinds import Node
from kaito.kube.quantity import amount
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.order import STORAGE, is_gpu
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import LabelNode, Step, done, hold

_ASPECT = Aspect.INITIALIZED

TRUE = "true"
"""Value of the labels that say how far a node has come."""

EPHEMERAL_TAINTS = frozenset(
    {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "karpenter.sh/unregistered",
    }
)
"""Taints that Kubernetes itself takes off a node that comes up."""


def ensure_initialized(seen: Observed) -> Step:
    """The node is ready and shows everything that the claim requested."""
    node = seen.nodes[0]
    if node.metadata.labels.get(labels.INITIALIZED) == TRUE:
        return done(_ASPECT, Reason.INITIALIZED)
    waiting = awaited(seen, node)
    if waiting:
        return waiting
    said = f"Node {node.metadata.name} is being labelled"
    label = LabelNode(node, ((labels.INITIALIZED, TRUE),))
    return hold(_ASPECT, Reason.INITIALIZING, said, label)


def awaited(seen: Observed, node: Node) -> Step | None:
    """What the node still lacks to be usable; None when it is."""
    if not is_ready(node):
        return hold(_ASPECT, Reason.NODE_NOT_READY, f"Node {node.metadata.name} is not ready")
    return _taints(seen, node) or _resources(seen, node)


def is_ready(node: Node) -> bool:
    """Whether the kubelet says that pods can run."""
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)


def missing_resources(seen: Observed, node: Node) -> tuple[str, ...]:
    """Requested resources of which nothing is allocatable yet; disk is the cloud's business."""
    wanted = {
        name
        for name, quantity in seen.claim.spec.resources.requests.items()
        if name != STORAGE and _positive({name: quantity}, name)
    }
    if is_gpu(node.metadata.labels.get(labels.INSTANCE_TYPE, _vm_size(seen))):
        wanted.add(labels.GPU)
    return tuple(sorted(name for name in wanted if not _positive(node.status.allocatable, name)))


def _vm_size(seen: Observed) -> str:
    return seen.instance.vm_size if seen.instance else ""


def _taints(seen: Observed, node: Node) -> Step | None:
    """Hold while a taint is on the node that somebody is to take off."""
    startup = {(each.key, each.effect) for each in seen.claim.spec.startup_taints}
    for taint in node.spec.taints:
        told = f"{taint.key}={taint.value}:{taint.effect}"
        if (taint.key, taint.effect) in startup:
            return hold(_ASPECT, Reason.STARTUP_TAINTS, f"Startup taint {told} still exists")
        if taint.key in EPHEMERAL_TAINTS:
            return hold(_ASPECT, Reason.EPHEMERAL_TAINTS, f"Taint {told} still exists")
    return None


def _resources(seen: Observed, node: Node) -> Step | None:
    """Hold while a requested resource is not to be seen on the node."""
    missing = missing_resources(seen, node)
    if not missing:
        return None
    said = f"Node {node.metadata.name} does not report {', '.join(missing)} yet"
    if labels.GPU in missing:
        said += "; the NVIDIA device plugin does that"
    return hold(_ASPECT, Reason.RESOURCE_NOT_REGISTERED, said)


def _positive(quantities: Mapping[str, str], name: str) -> bool:
    try:
        return amount(quantities.get(name, "0")) > 0
    except ValueError:
        return False
