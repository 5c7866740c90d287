"""Workspace (kaito.sh): a GPU requirement, and a model to serve or to tune on it.

There is no `spec`: `resource`, `inference` and `tuning` (kaito/api/spec.py) stand by `metadata`.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from kaito.api.definition import Column, Definition, Version
from kaito.api.rule import RECREATE, Rule, Ruled
from kaito.api.schema import Conditions
from kaito.api.spec import InferenceSpec, ResourceSpec, TuningSpec
from kaito.kube.objects import KubeModel, KubeObject
from kaito.kube.resource import Resource
from kaito.kube.sharing import Moment

MACHINE_READY = "MachineReady"
NODE_CLAIM_READY = "NodeClaimReady"
"""In place of MachineReady where nodes are asked for by NodeClaims."""
RESOURCE_READY = "ResourceReady"
INFERENCE_READY = "InferenceReady"
JOB_STARTED = "JobStarted"
WORKSPACE_READY = "WorkspaceReady"
WORKSPACE_SUCCEEDED = "WorkspaceSucceeded"
WORKSPACE_DELETING = "WorkspaceDeleting"
READY = "Ready"
RECONCILING = "Reconciling"
"""True while work goes on; absent otherwise."""
STALLED = "Stalled"
"""True while nothing will change until a person acts; absent otherwise."""

State = Literal["Pending", "Ready", "NotReady", "Running", "Succeeded", "Failed"]
"""The conditions in one word: of serving the first three, of tuning all but Ready and NotReady."""

_NAME_LIMIT = 52
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


class Attempt(KubeModel):
    """A claim that came to nothing."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ordinal: int
    """For which of the nodes, from 0."""
    attempt: int
    """The how-manieth try for that node, from 0."""
    instance_type: str
    """What was asked for."""
    reason: str
    """Why there is no such node, in one word."""
    message: str = ""
    """The same in the cloud's words."""
    finished_at: Moment | None = None
    """When that was put on record."""
    settled: bool | None = None
    """Whether the Workspace has been ready since: then it counts against no further claim."""


class TuningResult(KubeModel):
    """What a tuning came to."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    run: str
    """Hash of the spec that was carried out."""
    steps: int | None = Field(default=None, json_schema_extra={"format": "int64"})
    """Optimizer steps."""
    loss: str | None = None
    """Of the last steps that were logged, a decimal number."""
    image: str | None = None
    """What the adapter was pushed as."""
    digest: str | None = None
    """Of that image."""


class WorkspaceStatus(KubeModel):
    """What the controller saw last."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    state: State | None = None
    """The conditions in one word."""
    observed_generation: int = Field(default=-1, json_schema_extra={"format": "int64"})
    """Generation of the spec that the conditions speak of; -1 before the first look."""
    worker_nodes: tuple[str, ...] = ()
    """Names of the nodes in use, sorted."""
    instance_type: str | None = None
    """The type that nodes are asked for with, where the spec leaves a choice."""
    attempts: tuple[Attempt, ...] = ()
    """Claims that came to nothing, each with its reason."""
    tuning: TuningResult | None = None
    """What the tuning came to, once the adapter is where it belongs."""
    conditions: Conditions = ()
    """The stages, each with its reason."""


class Workspace(KubeObject, Ruled):
    """A GPU requirement, and a model to serve or to tune on it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.inference) != has(self.tuning)",
            "exactly one of inference and tuning must be set:"
            " inference serves a model, tuning fine-tunes one",
            holds=lambda it: (it.inference is None) != (it.tuning is None),
        ),
        Rule(
            "has(self.inference) == has(oldSelf.inference)"
            " && has(self.tuning) == has(oldSelf.tuning)",
            f"inference and tuning can be neither added, removed nor exchanged: {RECREATE}",
        ),
        Rule(
            f"size(self.metadata.name) <= {_NAME_LIMIT}"
            f" && self.metadata.name.matches('^{_LABEL.pattern}$')",
            "metadata.name must start with a letter, hold only a-z, 0-9 and '-', and be at"
            f" most {_NAME_LIMIT} characters long: Services and pods are named after it",
            holds=lambda it: _is_label(it.metadata.name),
            only_new=True,
        ),
        Rule(
            "!has(self.tuning) || !has(self.resource.count) || self.resource.count == 1",
            "count must be 1 with tuning, which runs on one node: leave it out",
            "resource.count",
            holds=lambda it: it.tuning is None or it.resource.count == 1,
        ),
    )

    resource: ResourceSpec
    """The nodes that the model runs on."""
    inference: InferenceSpec | None = None
    """A model to serve."""
    tuning: TuningSpec | None = None
    """A model to fine-tune."""
    status: WorkspaceStatus = Field(
        default=WorkspaceStatus(), json_schema_extra={"default": {"observedGeneration": -1}}
    )
    """What the controller saw last."""


def _is_label(name: str) -> bool:
    """Whether Services and pods can be named after `name`; "" is not decided yet."""
    return not name or (len(name) <= _NAME_LIMIT and _LABEL.fullmatch(name) is not None)


WORKSPACES = Resource("kaito.sh", "v1alpha1", "workspaces", "Workspace", Workspace)


def _condition(type_: str) -> str:
    """JSON path of a condition's status."""
    return f'.status.conditions[?(@.type=="{type_}")].status'


_COLUMNS = (
    Column("Instance", ".resource.instanceType"),
    Column("ResourceReady", _condition(RESOURCE_READY)),
    Column("InferenceReady", _condition(INFERENCE_READY)),
    Column("WorkspaceReady", _condition(WORKSPACE_READY)),
    Column("Age", ".metadata.creationTimestamp", type="date"),
    Column("Nodes", ".status.workerNodes", priority=1),
    Column("State", ".status.state", priority=1),
    Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
)

DEFINITION = Definition(
    resource=WORKSPACES,
    categories=("workspace",),
    short_names=("wk", "wks"),
    versions=(
        Version(name="v1alpha1", columns=_COLUMNS, storage=False),
        Version(name="v1beta1", columns=_COLUMNS),
    ),
)
"""One schema under two names; why v1beta1 is stored: docs/decisions/0013."""
