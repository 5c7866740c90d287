"""Phases that give an instance back; the finalizer goes only when a list says that it is gone.

The nodes are cordoned again with the request, for a drain may have been cut short by its deadline.
A pool that is still being created is asked to go at once: ARM refuses while an operation is in
progress, and the request is repeated after the back-off of that class, until it is accepted.
Aborting the creation would gain nothing that is known: what an aborted creation leaves behind
has to be deleted just the same.
"""

from __future__ import annotations

from dataclasses import replace

from kaito.api import labels
from provisioner.cloud import Instance, InstanceState
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import (
    FAILED,
    WAITING,
    CordonNode,
    DeleteNode,
    ReleaseFinalizer,
    Step,
    Terminate,
    done,
    hold,
)
from provisioner.failures import CloudError, meaning, sentence

_ASPECT = Aspect.READY


def release_instance(seen: Observed) -> Step:
    """A list newer than this process's last request has no instance of this claim."""
    said = _said(seen)
    if not seen.fresh:
        step = _explained(seen.list_failure) if seen.list_failure else _terminating(said)
        return replace(step, in_cloud=True)
    if seen.instance is None or not seen.owned:
        return done(_ASPECT, Reason.TERMINATING)
    if seen.instance.state is InstanceState.DELETING:
        return replace(_terminating(said), in_cloud=True)
    if seen.retry_seconds > 0:
        failure = seen.entry.failure or _undone(seen, seen.instance)
        step = _explained(failure) if failure else _terminating(said)
        return replace(step, recheck_seconds=seen.retry_seconds, in_cloud=True)
    cordons = tuple(CordonNode(node) for node in seen.nodes if not node.spec.unschedulable)
    step = hold(_ASPECT, Reason.TERMINATING, said, *cordons, Terminate(seen.name))
    return replace(step, in_cloud=True)


def release_nodes(seen: Observed) -> Step:
    """No Node object of the machine is left; one of somebody else's instance is not ours."""
    left = () if seen.instance else seen.nodes
    if not left:
        return done(_ASPECT, Reason.TERMINATING)
    names = ", ".join(node.metadata.name for node in left)
    deletions = (DeleteNode(node) for node in left if not node.is_deleting)
    return hold(_ASPECT, Reason.TERMINATING, f"Node {names} is being deleted", *deletions)


def release_finalizer(seen: Observed) -> Step:
    """Nothing of ours is left."""
    if labels.TERMINATION_FINALIZER not in seen.claim.metadata.finalizers:
        return done(_ASPECT, Reason.TERMINATING)
    return hold(_ASPECT, Reason.TERMINATING, "The claim is released", ReleaseFinalizer())


def _undone(seen: Observed, instance: Instance) -> CloudError | None:
    """Why a deletion that the cloud accepted has left the instance where it was, if it says so."""
    if seen.entry.terminations and instance.state is InstanceState.FAILED:
        return instance.failure
    return None


def _said(seen: Observed) -> str:
    """What goes, and what was not waited for."""
    said = f"Agent pool {seen.name} is being deleted"
    if not seen.entry.blocked:
        return said
    return f"{said}; the drain ended at its deadline. {seen.entry.blocked}"


def _terminating(message: str) -> Step:
    return hold(_ASPECT, Reason.TERMINATING, message)


def _explained(failure: CloudError) -> Step:
    row = meaning(failure)
    return Step(_ASPECT, FAILED if row.failed else WAITING, row.reason, sentence(failure))
