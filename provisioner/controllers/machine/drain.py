"""The phase that moves pods off a machine before it goes; it never waits longer than its deadline.

Pods are evicted and not deleted, so that a PodDisruptionBudget is obeyed: one that forbids an
eviction is waited for, until the deadline. Each pass is one round; what became of it shows in
the next. Pods that come back wherever they are, or that have ended, are left alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kaito.kube.kinds import Pod
from provisioner.cloud import InstanceState
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import CordonNode, EvictPods, Step, done, hold

ROUND_SECONDS = 2.0
"""From one round of evictions to the next."""

STUCK = timedelta(seconds=30)
"""A pod that outlives its grace period by that much is on a machine that no longer answers."""

MIRROR = "kubernetes.io/config.mirror"
"""Annotation of the image that the API server has of a static pod; evicting it ends nothing."""

NAMED = 3
"""How many pods a message names."""

_ASPECT = Aspect.READY
_STAYS = frozenset({"DaemonSet", "Node"})
_ENDED = frozenset({"Succeeded", "Failed"})


def is_due(seen: Observed) -> bool:
    """Whether pods may still have to be moved off the claim's own machine."""
    deleted = seen.claim.metadata.deletion_timestamp
    if deleted is None or not seen.nodes:
        return False
    if not seen.owned or (seen.instance and seen.instance.state is InstanceState.DELETING):
        return False
    return seen.moment.now - deleted < timedelta(seconds=seen.deadlines.drain_seconds)


def drain_nodes(seen: Observed) -> Step:
    """No pod that has to move is left on the machine, or time is up."""
    if not is_due(seen):
        return done(_ASPECT, Reason.TERMINATING)
    cordons = tuple(CordonNode(node) for node in seen.nodes if not node.spec.unschedulable)
    if cordons:
        # Pods are looked at once nothing new can land beside them.
        said = f"Node {seen.nodes[0].metadata.name} is being cordoned"
        return _round(hold(_ASPECT, Reason.DRAINING, said, *cordons))
    left = tuple(pod for pod in seen.pods if has_to_move(seen, pod))
    if not left:
        return done(_ASPECT, Reason.TERMINATING)
    still = tuple(pod for pod in left if not pod.is_deleting)
    actions = (EvictPods(still),) if still else ()
    return _round(hold(_ASPECT, Reason.DRAINING, _told(seen, left), *actions))


def has_to_move(seen: Observed, pod: Pod) -> bool:
    """Whether a pod keeps its machine from going."""
    meta = pod.metadata
    ended = pod.status.phase in _ENDED
    stays = any(each.controller and each.kind in _STAYS for each in meta.owner_references)
    due = meta.deletion_timestamp
    stuck = due is not None and seen.moment.now - due > STUCK
    return not (ended or stays or stuck or MIRROR in meta.annotations)


def _told(seen: Observed, left: tuple[Pod, ...]) -> str:
    """Which pods are waited for, and what forbids to move them."""
    names = [str(pod.ref) for pod in left]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    said = f"Waiting for pods to leave: {', '.join(names[:NAMED])}{more}"
    return f"{said}. {seen.entry.blocked}" if seen.entry.blocked else said


def _round(step: Step) -> Step:
    return replace(step, recheck_seconds=ROUND_SECONDS)
