"""Phases of deletion: the workload first, then the nodes, then the finalizer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import WORKSPACE_DELETING
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import (
    AddFinalizer,
    Delete,
    DeleteUnseen,
    ReleaseFinalizer,
    Step,
    done,
    hold,
)
from kaito.kube.kinds import DEPLOYMENTS, JOBS, STATEFULSETS, Pod
from kaito.nodes.claim import resource_of
from kaito.nodes.selection import is_ready

_RECHECK_SECONDS = 10.0
_OVERDUE_SECONDS = 30.0
"""How long after its grace period a pod may still be there before nobody waits for it."""


def ensure_finalizer(seen: Observed) -> Step:
    """Our finalizer is stored before anything is bought."""
    if labels.WORKSPACE_FINALIZER in seen.workspace.metadata.finalizers:
        return done("", Reason.RECONCILING)
    action = AddFinalizer(seen.workspace)
    step = hold("", Reason.RECONCILING, "storing the finalizer", action)
    return replace(step, holds_up=False)


def release_workload(seen: Observed) -> Step:
    """Nothing runs on the nodes any more."""
    workloads = (
        (DEPLOYMENTS, seen.deployment),
        (STATEFULSETS, seen.stateful_set),
        (JOBS, seen.job),
    )
    deletions = [
        Delete(resource, found) for resource, found in workloads if found and not found.is_deleting
    ]
    if deletions:
        message = "deleting the workload"
        return hold(WORKSPACE_DELETING, Reason.WORKLOAD_DELETING, message, *deletions)
    if seen.workload or seen.job or any(_is_ending(pod, seen) for pod in seen.pods):
        message = "waiting for the pods to end"
        is_seen = seen.workload or seen.job or all(pod.is_deleting for pod in seen.pods)
        unseen = () if is_seen else (DeleteUnseen(seen.workspace),)
        step = hold(WORKSPACE_DELETING, Reason.WORKLOAD_DELETING, message, *unseen)
        return replace(step, recheck_seconds=_RECHECK_SECONDS)
    return done(WORKSPACE_DELETING, Reason.WORKLOAD_DELETING)


def _is_ending(pod: Pod, seen: Observed) -> bool:
    """Whether a pod may still end by itself.

    A kubelet that is gone ends nothing: its node is given back all the same, and the pod
    goes with it. The deletion time stamp is the moment by which the pod should have ended.
    """
    due = pod.metadata.deletion_timestamp
    if due and seen.now > due + timedelta(seconds=_OVERDUE_SECONDS):
        return False
    node = next((n for n in seen.nodes if n.metadata.name == pod.spec.node_name), None)
    return node is not None and is_ready(node)


def release_nodes(seen: Observed) -> Step:
    """Every node that was created for this workspace is given back."""
    claims = (*seen.claims, *seen.stripped)
    if not claims:
        return done(WORKSPACE_DELETING, Reason.MACHINES_DELETING)
    deletions = tuple(
        Delete(resource_of(claim), claim) for claim in claims if not claim.is_deleting
    )
    names = ", ".join(sorted(claim.metadata.name for claim in claims))
    return hold(WORKSPACE_DELETING, Reason.MACHINES_DELETING, f"deleting {names}", *deletions)


def release_finalizer(seen: Observed) -> Step:
    """Nothing of ours is left: the API server may forget the workspace."""
    metadata = seen.workspace.metadata
    left = tuple(name for name in metadata.finalizers if name != labels.WORKSPACE_FINALIZER)
    if left == metadata.finalizers:
        # Not satisfied: a workspace whose every phase is satisfied counts as ready.
        message = f"waiting for the owners of {', '.join(left)}"
        return hold(WORKSPACE_DELETING, Reason.FINALIZING, message)
    action = ReleaseFinalizer(seen.workspace)
    return hold(WORKSPACE_DELETING, Reason.FINALIZING, "all nodes are given back", action)
