"""Workspace (kaito.sh/v1alpha1): a GPU requirement, and a model to serve or to tune on it.

There is no `spec`: `resource`, `inference` and `tuning` stand beside `metadata`.
The rules that need nothing but the object itself are CEL, in the CRD, so that the API
server refuses a bad object before anybody acts on it. Presence is always a rule on the
parent: `self == oldSelf` on an optional field does not fire when the field is removed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from kaito.api.definition import Column, Definition, Version
from kaito.api.schema import Conditions, FreeForm
from kaito.kube.objects import KubeModel, KubeObject
from kaito.kube.resource import Resource

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

_NAME_LIMIT = 52

LabelValue = Annotated[str, Field(max_length=63)]
"""A label's value. The API server prices CEL rules by the longest string that they may read."""

ObjectName = Annotated[str, Field(max_length=253)]
"""The name of another object."""

InstanceType = Annotated[str, Field(min_length=1, max_length=128)]
"""The cloud's name of a kind of virtual machine."""


def _rule(expression: str, message: str) -> JsonValue:
    """A CEL rule in wire form."""
    return {"rule": expression, "message": message}


def _rules(*rules: JsonValue) -> dict[str, JsonValue]:
    """The CEL rules of one object."""
    return {"x-kubernetes-validations": list(rules)}


def _unchanged(field: str) -> JsonValue:
    """The rule that an optional field neither changes, appears nor goes."""
    return _rule(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: {_RECREATE}",
    )


_RECREATE = "delete the Workspace and create it anew to change it"


class SpecModel(KubeModel):
    """A part of the user's spec. Its docstrings are what `kubectl explain` prints."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class LabelExpression(SpecModel):
    """One requirement on a node's labels."""

    key: str = Field(max_length=316)
    operator: str = Field(max_length=16)
    values: tuple[LabelValue, ...] = Field(default=(), max_length=64)


class LabelSelector(SpecModel):
    """Labels that nodes must carry, and that created nodes are given."""

    match_labels: dict[str, LabelValue] = Field(default={}, json_schema_extra={"maxProperties": 64})
    match_expressions: tuple[LabelExpression, ...] = Field(default=(), max_length=16)


class ResourceSpec(SpecModel):
    """The nodes that the model runs on."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            _unchanged("instanceType"),
            _unchanged("instanceTypes"),
            _unchanged("count"),
            _rule(
                "self.labelSelector == oldSelf.labelSelector",
                f"labelSelector is immutable: {_RECREATE}",
            ),
        )
    )

    count: int = Field(default=1, ge=1, le=100)
    """Number of GPU nodes."""
    instance_type: InstanceType | None = None
    """Type of the GPU nodes, e.g. Standard_NC24ads_A100_v4. `python -m kaito skus` lists them."""
    instance_types: tuple[InstanceType, ...] = Field(default=(), max_length=16)
    """Acceptable types, best first; the next is tried where one cannot be had. instanceType,
    where it is given, comes before them."""
    label_selector: LabelSelector
    """Selects the nodes; nodes that are created get these labels."""
    preferred_nodes: tuple[ObjectName, ...] = Field(default=(), max_length=100)
    """Names of existing nodes to use first. They must carry the selector's labels."""


class PresetOptions(SpecModel):
    """Settings of a preset whose image is the user's own."""

    image: str | None = Field(default=None, max_length=512)
    """Image that holds the model; needed when accessMode is private."""
    image_pull_secrets: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """Secrets in the Workspace's namespace to pull that image with."""
    model_access_secret: str | None = Field(default=None, max_length=253)
    """Secret whose key HF_TOKEN opens a model that the hub does not give to everybody."""


class PresetSpec(SpecModel):
    """A model of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            _rule(
                "self.accessMode != 'private'"
                " || (has(self.presetOptions) && has(self.presetOptions.image))",
                "presetOptions.image must be set when accessMode is private",
            ),
        )
    )

    name: str = Field(min_length=1, max_length=253)
    """Name of the preset. `python -m kaito models` lists them."""
    access_mode: Literal["public", "private"] = "public"
    """Whether the image is KAITO's public one or the user's private one."""
    preset_options: PresetOptions = PresetOptions()
    """Settings of a private image."""


class DataSource(SpecModel):
    """Where data or an adapter comes from."""

    name: str | None = Field(default=None, max_length=253)
    """Name of the source; it names the adapter in requests."""
    urls: tuple[str, ...] = Field(default=(), max_length=64)
    """Addresses to download from."""
    volume_source: FreeForm | None = None
    """A volume, in the form of a pod's volume source."""
    image: str | None = Field(default=None, max_length=512)
    """Image that holds the files in /data."""
    image_pull_secrets: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """Secrets to pull that image with."""


class DataDestination(SpecModel):
    """Where the result of tuning goes."""

    volume_source: FreeForm | None = None
    """A volume, in the form of a pod's volume source."""
    image: str | None = Field(default=None, max_length=512)
    """Image to push the adapter as."""
    image_push_secret: str | None = Field(default=None, max_length=253)
    """Secret to push that image with."""


class AdapterSpec(SpecModel):
    """A LoRA adapter that is served on top of the model."""

    source: DataSource
    """Where the adapter comes from."""
    strength: str | None = Field(default=None, pattern=r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$")
    """Weight of the adapter, from 0.0 to 1.0."""


class InferenceSpec(SpecModel):
    """A model to serve: a preset, or a pod template of the user's own."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            _rule(
                "has(self.preset) != has(self.template)",
                "exactly one of inference.preset and inference.template must be set",
            ),
            _unchanged("preset"),
            _rule(
                "has(self.template) == has(oldSelf.template)",
                f"template can be changed but neither added nor removed: {_RECREATE}",
            ),
        )
    )

    preset: PresetSpec | None = None
    """A model of the catalogue."""
    template: FreeForm | None = None
    """A pod template; it is run as it stands on the Workspace's nodes."""
    adapters: tuple[AdapterSpec, ...] = Field(default=(), max_length=10)
    """LoRA adapters to serve with the preset."""


class TuningSpec(SpecModel):
    """A model to fine-tune."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            _rule("self.preset == oldSelf.preset", f"preset is immutable: {_RECREATE}"),
            _rule("self.method == oldSelf.method", f"method is immutable: {_RECREATE}"),
        )
    )

    preset: PresetSpec
    """The base model."""
    method: str = Field(pattern="^([lL][oO][rR][aA]|[qQ][lL][oO][rR][aA])$", max_length=5)
    """How to tune: lora or qlora."""
    config: str | None = Field(default=None, max_length=253)
    """ConfigMap with the training configuration; the method's own when unset."""
    input: DataSource
    """The data set."""
    output: DataDestination
    """Where the adapter goes."""


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


class WorkspaceStatus(KubeModel):
    """What the controller saw last."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    observed_generation: int = Field(default=-1, json_schema_extra={"format": "int64"})
    """Generation of the spec that the conditions speak of; -1 before the first look."""
    worker_nodes: tuple[str, ...] = ()
    """Names of the nodes in use, sorted."""
    instance_type: str | None = None
    """The type that nodes are asked for with, where the spec leaves a choice."""
    attempts: tuple[Attempt, ...] = ()
    """Claims that came to nothing, each with its reason."""
    conditions: Conditions = ()
    """The stages, each with its reason."""


class Workspace(KubeObject):
    """A GPU requirement, and a model to serve or to tune on it."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            _rule(
                "has(self.inference) != has(self.tuning)",
                "exactly one of inference and tuning must be set:"
                " inference serves a model, tuning fine-tunes one",
            ),
            _rule(
                "has(self.inference) == has(oldSelf.inference)",
                f"inference and tuning cannot be exchanged: {_RECREATE}",
            ),
            _rule(
                f"size(self.metadata.name) <= {_NAME_LIMIT}"
                " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "metadata.name must start with a letter, hold only a-z, 0-9 and '-', and be at"
                f" most {_NAME_LIMIT} characters long: Services and pods are named after it",
            ),
        ),
        use_attribute_docstrings=True,
    )

    resource: ResourceSpec
    """The nodes that the model runs on."""
    inference: InferenceSpec | None = None
    """A model to serve."""
    tuning: TuningSpec | None = None
    """A model to fine-tune."""
    status: WorkspaceStatus = WorkspaceStatus()
    """What the controller saw last."""


WORKSPACES = Resource("kaito.sh", "v1alpha1", "workspaces", "Workspace", Workspace)


def _condition(type_: str) -> str:
    """JSON path of a condition's status."""
    return f'.status.conditions[?(@.type=="{type_}")].status'


DEFINITION = Definition(
    resource=WORKSPACES,
    categories=("workspace",),
    short_names=("wk", "wks"),
    versions=(
        Version(
            name="v1alpha1",
            columns=(
                Column("Instance", ".resource.instanceType"),
                Column("ResourceReady", _condition(RESOURCE_READY)),
                Column("InferenceReady", _condition(INFERENCE_READY)),
                Column("WorkspaceReady", _condition(WORKSPACE_READY)),
                Column("Age", ".metadata.creationTimestamp", type="date"),
                Column("Nodes", ".status.workerNodes", priority=1),
                Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
            ),
        ),
    ),
)
