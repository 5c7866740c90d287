"""The node's heartbeat, and the deadlines of the phases before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kaito.api import labels
from provisioner.cloud import InstanceState
from provisioner.controllers.machine.initialization import is_ready, missing_resources
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.overdue import unlaunched
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import FAILED, WAITING, DeleteClaim, Step, done, failed

GPU_REMEDY = (
    "Install the NVIDIA device plugin, or see in its pod's log on this node why it reports no GPU"
)
TAINT_REMEDY = "See why what takes that taint off does not do so, or take it off yourself"
NODE_REMEDY = "Delete the claim; a new one gets a new pool"


def ensure_alive(seen: Observed) -> Step:
    """The node answers."""
    node = seen.nodes[0]
    if is_ready(node):
        return done(Aspect.READY, Reason.READY)
    said = f"Node {node.metadata.name} stopped being ready"
    return failed(Aspect.READY, Reason.NODE_NOT_READY, said)


def timed(seen: Observed, step: Step) -> Step:
    """`step`, failed when it waits for longer than its phase may take."""
    step = unlaunched(seen, step)
    if step.status != WAITING or step.actions:
        return step
    begun, limit_seconds = _deadline(seen, step.aspect)
    if begun is None:
        return step
    left = limit_seconds - (seen.moment.now - begun).total_seconds()
    if left > 0:
        return replace(step, recheck_seconds=min(left, step.recheck_seconds or left))
    reason, remedy = _overdue(seen, step)
    said = f"{step.message}, after {limit_seconds:g} s. {remedy}"
    actions = (DeleteClaim(),) if seen.deadlines.deletes else ()
    return replace(step, status=FAILED, reason=reason, message=said, actions=actions)


def _deadline(seen: Observed, aspect: Aspect) -> tuple[datetime | None, float]:
    """When the phase began, None when it did not, and how long it may take."""
    limits = seen.deadlines
    if aspect is Aspect.LAUNCHED:
        pending = seen.instance and seen.owned and seen.instance.state is InstanceState.PENDING
        began = seen.instance.created if seen.instance and pending else None
        return began, limits.launch_seconds
    if aspect is Aspect.REGISTERED:
        return _since(seen, Aspect.LAUNCHED), limits.registration_seconds
    return _since(seen, Aspect.REGISTERED), limits.initialization_seconds


def _since(seen: Observed, aspect: Aspect) -> datetime | None:
    """When a condition became True, as stored."""
    told = seen.condition(aspect)
    return told.last_transition_time if told and told.status == "True" else None


def _overdue(seen: Observed, step: Step) -> tuple[Reason, str]:
    """Reason and remedy of a phase that took too long."""
    if step.aspect is Aspect.LAUNCHED:
        return Reason.LAUNCH_TIMED_OUT, NODE_REMEDY
    if step.aspect is Aspect.REGISTERED:
        return Reason.REGISTRATION_TIMED_OUT, NODE_REMEDY
    if step.reason == Reason.STARTUP_TAINTS:
        return Reason.INITIALIZATION_TIMED_OUT, TAINT_REMEDY
    gpu = bool(seen.nodes) and labels.GPU in missing_resources(seen, seen.nodes[0])
    return Reason.INITIALIZATION_TIMED_OUT, GPU_REMEDY if gpu else NODE_REMEDY
