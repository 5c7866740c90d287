"""What the user writes in a Workspace: the nodes, and the model to serve or to tune.

A rule may read only what is bounded: the API server prices a rule by the largest object that the
schema lets through, and refuses a definition that is too dear. Fields that this version does not
honour are in the schema so that they can be refused by name; others would be dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kaito.api import labels
from kaito.api.rule import RECREATE, Rule, Ruled, unchanged
from kaito.api.schema import FreeForm

_ADAPTER_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_URL = re.compile(r"https?://[^ ]+")
_MARKS = (labels.WORKSPACE, labels.WORKSPACE_NAMESPACE, labels.CREATED_FOR, labels.RAGENGINE)
"""Labels that a node carries once it is somebody's: no selector can choose by them."""

LabelValue = Annotated[str, Field(max_length=63)]
"""A label's value. The API server prices CEL rules by the longest string that they may read."""

ObjectName = Annotated[str, Field(max_length=253)]
"""The name of another object."""

InstanceType = Annotated[str, Field(min_length=1, max_length=128)]
"""The cloud's name of a kind of virtual machine."""


Address = Annotated[str, Field(max_length=4096)]
"""A URL."""


def _is_distinct(names: Sequence[str | None]) -> bool:
    """Whether no name is there twice."""
    return len(set(names)) == len(names)


class LabelExpression(Ruled):
    """One requirement on a node's labels."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator == 'In' && has(self.values) && size(self.values) == 1",
            "cannot be stamped on a new node: use matchLabels, or the operator In with one value",
            holds=lambda it: it.operator == "In" and len(it.values) == 1,
            is_entry=True,
        ),
    )

    key: str = Field(max_length=316)
    operator: str = Field(max_length=16)
    values: tuple[LabelValue, ...] = Field(default=(), max_length=64)


class LabelSelector(Ruled):
    """Labels that nodes must carry, and that created nodes are given."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0)"
            " || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "names no label: set matchLabels, for instance apps: my-model",
            holds=lambda it: bool(it.match_labels or it.match_expressions),
        ),
        Rule(
            "!has(self.matchExpressions) || self.matchExpressions.all(one,"
            " !has(one.values) || size(one.values) != 1"
            " || ((!has(self.matchLabels) || !(one.key in self.matchLabels)"
            " || self.matchLabels[one.key] == one.values[0])"
            " && self.matchExpressions.all(two,"
            " one.key != two.key || !has(two.values) || one.values == two.values)))",
            "asks for two values of one label, and no node can have both: name each label once",
            holds=lambda it: _is_possible(it),
        ),
        Rule(
            f"(!has(self.matchLabels) || self.matchLabels.all(key, !(key in {list(_MARKS)})))"
            " && (!has(self.matchExpressions)"
            f" || self.matchExpressions.all(one, !(one.key in {list(_MARKS)})))",
            "asks for a label by which KAITO itself marks nodes: use one of your own, for instance"
            " apps: my-model",
            holds=lambda it: not _keys(it) & set(_MARKS),
        ),
    )

    match_labels: Mapping[str, LabelValue] = Field(
        default={}, json_schema_extra={"maxProperties": 64}
    )
    match_expressions: tuple[LabelExpression, ...] = Field(default=(), max_length=16)


def _keys(selector: LabelSelector) -> set[str]:
    """Labels that a selector asks anything of."""
    return {*selector.match_labels, *(one.key for one in selector.match_expressions)}


def _is_possible(selector: LabelSelector) -> bool:
    """Whether one node can carry all that expressions of one value, and labels, ask for."""
    wanted = dict(selector.match_labels)
    said = [(one.key, one.values[0]) for one in selector.match_expressions if len(one.values) == 1]
    return all(wanted.setdefault(key, value) == value for key, value in said)


class ResourceSpec(Ruled):
    """The nodes that the model runs on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        unchanged("instanceType"),
        unchanged("instanceTypes"),
        unchanged("count"),
        Rule(
            "self.labelSelector == oldSelf.labelSelector",
            f"labelSelector is immutable: {RECREATE}",
            "labelSelector",
        ),
        Rule(
            "!has(self.instanceTypes)"
            " || self.instanceTypes.all(one, self.instanceTypes.exists_one(two, one == two))",
            "instanceTypes names a type twice: name each once, the best first",
            "instanceTypes",
            holds=lambda it: _is_distinct(it.instance_types),
        ),
        Rule(
            "!has(self.partition)",
            "partition (MIG, accelerators) is not supported by this version: leave it out, whole"
            " GPUs are used",
            "partition",
            holds=lambda it: it.partition is None,
        ),
    )

    count: int = Field(default=1, ge=1, le=100)
    """Number of GPU nodes."""
    instance_type: str | None = Field(default=None, max_length=128)
    """Type of the GPU nodes, e.g. Standard_NC24ads_A100_v4. `python -m kaito skus` lists them.
    Empty, as with nodes of one's own, is the same as not there."""
    instance_types: tuple[InstanceType, ...] = Field(default=(), max_length=16)
    """Acceptable types, best first; the next is tried where one cannot be had. instanceType,
    where it is given, comes before them."""
    label_selector: LabelSelector
    """Selects the nodes; nodes that are created get these labels."""
    preferred_nodes: tuple[ObjectName, ...] = Field(default=(), max_length=100)
    """Names of existing nodes to use first. They must carry the selector's labels."""
    partition: FreeForm | None = None
    """Not supported by this version: leave it out."""


class PresetOptions(Ruled):
    """Settings of a preset whose image or weights are not open to everybody."""

    image: str | None = Field(default=None, max_length=512)
    """Image that holds the model; needed when accessMode is private."""
    image_pull_secrets: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """Secrets in the Workspace's namespace to pull that image with."""
    model_access_secret: str | None = Field(default=None, max_length=253)
    """Secret whose key HF_TOKEN opens a model that the hub does not give to everybody. Refused
    of a model whose image holds the weights, as that of each that can be tuned does."""


class PresetSpec(Ruled):
    """A model of the catalogue."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.accessMode != 'private' || (has(self.presetOptions)"
            " && has(self.presetOptions.image) && self.presetOptions.image != '')",
            "presetOptions.image must be set when accessMode is private",
            "presetOptions",
            holds=lambda it: it.access_mode != "private" or bool(it.preset_options.image),
        ),
    )

    name: str = Field(min_length=1, max_length=253)
    """Name of the preset. `python -m kaito models` lists them."""
    access_mode: Literal["public", "private"] = "public"
    """Whether the image is KAITO's public one or the user's private one."""
    preset_options: PresetOptions = PresetOptions()
    """Settings of a private image, and of weights that the hub does not give to everybody."""


class DataSource(Ruled):
    """Where data or an adapter comes from."""

    name: str | None = Field(default=None, max_length=253)
    """Name of the source; it names the adapter in requests."""
    urls: tuple[Address, ...] = Field(default=(), max_length=64)
    """Addresses to download from."""
    volume_source: FreeForm | None = None
    """A volume, in the form of a pod's volume source."""
    image: str | None = Field(default=None, max_length=512)
    """Image that holds the files in /data."""
    image_pull_secrets: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """Secrets to pull that image with."""


class DataDestination(Ruled):
    """Where the result of tuning goes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.volumeSource) || (has(self.image) && self.image != '')",
            "at least one of image and volumeSource must be set: the adapter has to go somewhere",
            holds=lambda it: it.volume_source is not None or bool(it.image),
        ),
        Rule(
            "!has(self.image) || self.image == ''"
            " || (has(self.imagePushSecret) && self.imagePushSecret != '')",
            "imagePushSecret must be set with image: name a Secret of type"
            " kubernetes.io/dockerconfigjson",
            "imagePushSecret",
            holds=lambda it: not it.image or bool(it.image_push_secret),
        ),
    )

    volume_source: FreeForm | None = None
    """A volume, in the form of a pod's volume source."""
    image: str | None = Field(default=None, max_length=512)
    """Image to push the adapter as."""
    image_push_secret: str | None = Field(default=None, max_length=253)
    """Secret to push that image with."""


def _is_adapter_name(name: str | None) -> bool:
    """Whether requests can name an adapter so."""
    return _ADAPTER_NAME.fullmatch(name or "") is not None


def _is_in_one_place(source: DataSource) -> bool:
    """Whether a source is an image or a volume."""
    return not source.urls and bool(source.image) != (source.volume_source is not None)


class AdapterSpec(Ruled):
    """A LoRA adapter that is served on top of the model."""

    source: DataSource
    """Where the adapter comes from."""
    strength: str | None = Field(
        default=None, pattern=r"^(0?\.[0-9]{1,16}|0(\.[0-9]{0,16})?|1(\.0{0,16})?)$", max_length=18
    )
    """Weight of the adapter, from 0.0 to 1.0."""


class InferenceSpec(Ruled):
    """A model to serve: a preset, or a pod template of the user's own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.preset) != has(self.template)",
            "exactly one of inference.preset and inference.template must be set",
            holds=lambda it: (it.preset is None) != (it.template is None),
        ),
        unchanged("preset"),
        Rule(
            "has(self.template) == has(oldSelf.template)",
            f"template can be changed but neither added nor removed: {RECREATE}",
            "template",
        ),
        Rule(
            "!has(self.adapters) || self.adapters.all(one, has(one.source.name)"
            f" && one.source.name.matches('^{_ADAPTER_NAME.pattern}$'))",
            "adapters need a source.name each, of letters, digits and '-' between them: requests"
            " name the adapter by it",
            "adapters",
            holds=lambda it: all(_is_adapter_name(one.source.name) for one in it.adapters),
        ),
        Rule(
            "!has(self.adapters) || self.adapters.all(one,"
            " !(has(one.source.urls) && size(one.source.urls) > 0)"
            " && ((has(one.source.image) && one.source.image != '')"
            " != has(one.source.volumeSource)))",
            "adapters need exactly one of source.image and source.volumeSource each, and no urls",
            "adapters",
            holds=lambda it: all(_is_in_one_place(one.source) for one in it.adapters),
        ),
        Rule(
            "!has(self.adapters) || self.adapters.all(one, !has(one.source.name)"
            " || self.adapters.exists_one(two, has(two.source.name)"
            " && one.source.name == two.source.name))",
            "adapters have a source.name twice: requests name an adapter by it, give each one",
            "adapters",
            holds=lambda it: _is_distinct([one.source.name for one in it.adapters]),
        ),
        Rule(
            "!has(self.adapters) || size(self.adapters) == 0 || has(self.preset)",
            "adapters need inference.preset: add them to your template yourself",
            "adapters",
            holds=lambda it: not it.adapters or it.preset is not None,
        ),
        Rule(
            "!has(self.config)",
            "config is not supported by this version: leave it out, the preset's own parameters"
            " are used",
            "config",
            holds=lambda it: it.config is None,
        ),
    )

    preset: PresetSpec | None = None
    """A model of the catalogue."""
    template: FreeForm | None = None
    """A pod template; it is run as it stands on the Workspace's nodes."""
    adapters: tuple[AdapterSpec, ...] = Field(default=(), max_length=10)
    """LoRA adapters to serve with the preset."""
    config: str | None = Field(default=None, max_length=253)
    """ConfigMap with the run-time's parameters. Not supported by this version: leave it out."""


class TuningSpec(Ruled):
    """A model to fine-tune."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.preset == oldSelf.preset", f"preset is immutable: {RECREATE}", "preset"),
        Rule("self.method == oldSelf.method", f"method is immutable: {RECREATE}", "method"),
        Rule(
            "has(self.input.name) == has(oldSelf.input.name)"
            " && (!has(self.input.name) || self.input.name == oldSelf.input.name)",
            f"input.name is immutable: {RECREATE}",
            "input",
        ),
        Rule(
            "[has(self.input.urls) && size(self.input.urls) > 0, has(self.input.volumeSource),"
            " has(self.input.image) && self.input.image != ''].filter(given, given).size() == 1",
            "exactly one of urls, volumeSource and image must be set: the data set is in one place",
            "input",
            holds=lambda it: (
                (
                    [bool(it.input.urls), it.input.volume_source is not None, bool(it.input.image)]
                ).count(True)
                == 1
            ),
        ),
        Rule(
            "!has(self.input.urls) || self.input.urls.all(url, url.matches('^https?://[^ ]+$'))",
            "every one of urls must begin with https:// or http://",
            "input",
            holds=lambda it: all(_URL.fullmatch(url) for url in it.input.urls),
            only_new=True,
        ),
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
