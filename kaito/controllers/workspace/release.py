"""Phases of deletion: the workload first, then the nodes, then the finalizer."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.reasons import Reason
from kaito.api.workspace import WORKSPACE_DELETING
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import (
    Delete,
    ReleaseFinalizer,
    SetFinalizers,
    Step,
    done,
    hold,
)
from kaito.kube.kinds import DEPLOYMENTS


def ensure_finalizer(seen: Observed) -> Step:
    """Our finalizer is stored before anything is bought."""
    metadata = seen.workspace.metadata
    if labels.WORKSPACE_FINALIZER in metadata.finalizers:
        return done("", Reason.RECONCILING)
    finalizers = (*metadata.finalizers, labels.WORKSPACE_FINALIZER)
    action = SetFinalizers(seen.workspace.ref, metadata.resource_version, finalizers)
    return hold("", Reason.RECONCILING, "storing the finalizer", action)


def release_workload(seen: Observed) -> Step:
    """Nothing runs on the nodes any more."""
    if seen.deployment and not seen.deployment.is_deleting:
        metadata = seen.deployment.metadata
        action = Delete(DEPLOYMENTS, seen.deployment.ref, metadata.uid)
        return hold(WORKSPACE_DELETING, Reason.WORKLOAD_DELETING, "deleting the workload", action)
    if seen.deployment or seen.pods:
        return hold(WORKSPACE_DELETING, Reason.WORKLOAD_DELETING, "waiting for the pods to end")
    return done(WORKSPACE_DELETING, Reason.DELETING)


def release_nodes(seen: Observed) -> Step:
    """Every node that was created for this workspace is given back."""
    if not seen.claims:
        return done(WORKSPACE_DELETING, Reason.DELETING)
    deletions = tuple(
        Delete(MACHINES, claim.ref, claim.metadata.uid)
        for claim in seen.claims
        if not claim.is_deleting
    )
    names = ", ".join(sorted(claim.metadata.name for claim in seen.claims))
    return hold(WORKSPACE_DELETING, Reason.MACHINES_DELETING, f"deleting {names}", *deletions)


def release_finalizer(seen: Observed) -> Step:
    """Nothing of ours is left: the API server may forget the workspace."""
    metadata = seen.workspace.metadata
    left = tuple(name for name in metadata.finalizers if name != labels.WORKSPACE_FINALIZER)
    if left == metadata.finalizers:
        return done(WORKSPACE_DELETING, Reason.FINALIZING)
    action = ReleaseFinalizer(seen.workspace.ref, metadata.uid, metadata.resource_version, left)
    return hold(WORKSPACE_DELETING, Reason.FINALIZING, "all nodes are given back", action)
