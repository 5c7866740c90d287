"""The phase in which the instance's node joins the cluster and gets the claim's labels."""

from __future__ import annotations

from dataclasses import replace

from kaito.api import labels
from kaito.kube.kinds import Node
from provisioner.controllers.machine.initialization import TRUE, awaited
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import (
    Action,
    LabelClaim,
    LabelNode,
    Step,
    done,
    failed,
    hold,
)

_ASPECT = Aspect.REGISTERED

BRIEF_SECONDS = 5.0
"""A node that is usable so soon after it joined is written to once instead of twice."""

RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "kubernetes.azure.com")
"""Labels of these domains describe the machine; who made it sets them."""


def ensure_registered(seen: Observed) -> Step:
    """Exactly one node of the instance exists, and it carries the claim's labels."""
    if not seen.nodes and seen.claim.status.node_name:
        said = (
            f"Node {seen.claim.status.node_name} was deleted by somebody else, and its machine"
            " still runs. Restart its kubelet, or delete the claim; a new one gets a new pool"
        )
        return failed(_ASPECT, Reason.NODE_GONE, said)
    if not seen.nodes:
        said = f"Agent pool {seen.name} is up; its node has not joined the cluster yet"
        return hold(_ASPECT, Reason.NODE_NOT_FOUND, said)
    if len(seen.nodes) > 1:
        names = ", ".join(node.metadata.name for node in seen.nodes)
        said = f"Agent pool {seen.name} has more than one node: {names}"
        return failed(_ASPECT, Reason.MULTIPLE_NODES, said)
    return _joined(seen, seen.nodes[0])


def _joined(seen: Observed, node: Node) -> Step:
    """The instance has its one node."""
    known = seen.claim.status.provider_id
    if not node.spec.provider_id:
        said = f"Node {node.metadata.name} has no providerID yet"
        return hold(_ASPECT, Reason.NODE_NOT_FOUND, said)
    if known and node.spec.provider_id != known:
        said = (
            f"Node {node.metadata.name} is another machine than the one that registered."
            " Delete the claim; a new one gets a new pool"
        )
        return failed(_ASPECT, Reason.NODE_REPLACED, said)
    missing: tuple[Action, ...] = (*_of_claim(seen, node), *_of_node(seen, node))
    if missing:
        said = f"Node {node.metadata.name} is being labelled"
        left = _left_seconds(seen, node)
        if left > 0:
            step = hold(_ASPECT, Reason.REGISTERING, said)
            return replace(step, is_brief=True, recheck_seconds=left)
        return hold(_ASPECT, Reason.REGISTERING, said, *missing)
    return done(_ASPECT, Reason.REGISTERED)


def _left_seconds(seen: Observed, node: Node) -> float:
    """How long to wait yet for a node that has just joined: it may get all its labels at once."""
    born = node.metadata.creation_timestamp
    if born is None or seen.claim.spec.startup_taints or awaited(seen, node) is None:
        return 0.0
    age = (seen.moment.now - born).total_seconds()
    return BRIEF_SECONDS - age if age >= 0 else 0.0


def _of_node(seen: Observed, node: Node) -> tuple[LabelNode, ...]:
    """What the node lacks to be registered.

    Startup taints are put on once, with the label that says so: whoever takes them off later
    has done what they wait for.
    """
    wanted = {
        **{key: value for key, value in seen.claim.metadata.labels.items() if is_ours(key)},
        labels.REGISTERED: TRUE,
    }
    missing = {
        key: value
        for key, value in sorted(wanted.items())
        if node.metadata.labels.get(key) != value
    }
    if not missing:
        return ()
    startup = seen.claim.spec.startup_taints
    if not startup and awaited(seen, node) is None:
        missing[labels.INITIALIZED] = TRUE  # a node that came up meanwhile needs one label less
    if labels.REGISTERED not in missing or not startup:
        return (LabelNode(node, tuple(missing.items())),)
    # A node has one taint of a key and effect; what it has already stays as it is.
    taints = {(each.key, each.effect): each.value for each in startup}
    taints |= {(each.key, each.effect): each.value for each in node.spec.taints}
    stored = tuple((key, value, effect) for (key, effect), value in taints.items())
    return (LabelNode(node, tuple(missing.items()), stored),)


def _of_claim(seen: Observed, node: Node) -> tuple[LabelClaim, ...]:
    """The zone that the machine came to be in, where the claim does not show it.

    A zone is its region and number, `eastus-1`; the label of a machine in none is a fault domain.
    """
    zone = node.metadata.labels.get(labels.ZONE, "")
    if "-" not in zone or seen.claim.metadata.labels.get(labels.ZONE) == zone:
        return ()
    return (LabelClaim(((labels.ZONE, zone),)),)


def is_ours(key: str) -> bool:
    """Whether the claim decides about this label of its node."""
    domain, slash, _ = key.partition("/")
    reserved = any(domain == one or domain.endswith(f".{one}") for one in RESERVED_DOMAINS)
    return not (slash and reserved)
