"""States that a workspace goes through, and what its status says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kaito.api.machine import LAUNCHED, READY, Machine
from kaito.api.workspace import Workspace, WorkspaceStatus
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.kube.kinds import Deployment, Service
from kaito.nodes.claim import rendered_claim
from kaito.workloads.inference import Ground, rendered_inference
from kaito.workloads.service import rendered_service
from tests.unit.controllers.workspace.worlds import (
    NOW,
    PRESET,
    WISH,
    deleting,
    node_of,
    observed,
    with_condition,
    workspace,
)

LATER = NOW + timedelta(minutes=7)

CLAIM = Machine.model_validate(rendered_claim(workspace(), WISH))
READY_CLAIM = with_condition(with_condition(CLAIM, LAUNCHED, "True"), READY, "True")
NODE = node_of(CLAIM)
SERVICE = Service.model_validate(rendered_service(workspace(), target_port=5000))
DEPLOYMENT = Deployment.model_validate(
    rendered_inference(workspace(), PRESET, registry="", ground=Ground(gpus=1))
)
SERVING = Deployment.model_validate(
    DEPLOYMENT.model_dump(by_alias=True)
    | {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}}
)

EMPTY = observed()
FAILED = observed(claims=(with_condition(CLAIM, LAUNCHED, "False", "no quota left"),))
PROVISIONED = observed(claims=(READY_CLAIM,), nodes=(NODE,))
LOADING = replace(PROVISIONED, service=SERVICE, deployment=DEPLOYMENT)
UP = replace(PROVISIONED, service=SERVICE, deployment=SERVING)
WORLDS = [EMPTY, FAILED, PROVISIONED, LOADING, UP, deleting(UP), deleting(EMPTY)]


def said(seen: Observed) -> WorkspaceStatus:
    """The status that follows from a look."""
    return status(seen, plan(seen))


def knowing(seen: Observed, stored: WorkspaceStatus, **metadata: object) -> Observed:
    """The same world after that status was stored."""
    changed = seen.workspace.metadata.model_copy(update=metadata)
    kept: Workspace = seen.workspace.model_copy(update={"status": stored, "metadata": changed})
    return replace(seen, workspace=kept)


def after(before: Observed, then: Observed) -> WorkspaceStatus:
    """The status of a later world, once that of an earlier one was stored."""
    return said(replace(knowing(then, said(before)), now=LATER))
