"""Workspaces that are right, and one for each thing that can be wrong with them.

What is expected is written here by hand: the field that the API server must blame, and words of its
sentence.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

SERVING: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "w", "namespace": "default"},
    "resource": {
        "count": 1,
        "instanceType": "Standard_NC24ads_A100_v4",
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    },
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}
TUNING: dict[str, Any] = {
    **{key: value for key, value in SERVING.items() if key != "inference"},
    "tuning": {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "qlora",
        "input": {"name": "data", "urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example/adapter:1", "imagePushSecret": "push"},
    },
}
GONE = object()
"""Stands for a field that is taken away."""


@dataclass(frozen=True, slots=True)
class Case:
    """One object, or one change of an object.

    Attributes:
        about: what is wrong, for the test's name.
        base: the object that is right.
        changes: values by path; `GONE` takes a field away.
        blamed: path that the API server names; "": the object itself.
        said: words of the sentence.
    """

    about: str
    base: dict[str, Any]
    changes: dict[str, Any]
    blamed: str = ""
    said: str = ""

    def wire(self) -> dict[str, Any]:
        """The object with its changes."""
        made = deepcopy(self.base)
        for path, value in self.changes.items():
            *way, last = path.split(".")
            here = made
            for step in way:
                here = here.setdefault(step, {})
            if value is GONE:
                here.pop(last, None)
            else:
                here[last] = value
        return made


def adapter(name: str | None = "a", **source: object) -> dict[str, Any]:
    """An adapter out of an image."""
    given = {"name": name} if name else {}
    return {"source": {**given, **(source or {"image": "registry.example/adapter:1"})}}


NAME = "must start with a letter"
ONE_OF = "exactly one of inference and tuning"
REFUSED = (
    Case("neither inference nor tuning", SERVING, {"inference": GONE}, "", ONE_OF),
    Case("both", SERVING, {"tuning": TUNING["tuning"]}, "", ONE_OF),
    Case("long name", SERVING, {"metadata.name": "w" * 53}, "", NAME),
    Case("digit first", SERVING, {"metadata.name": "1w"}, "", NAME),
    Case("dots", SERVING, {"metadata.name": "phi-3.5"}, "", NAME),
    Case(
        "two nodes to tune on", TUNING, {"resource.count": 2}, "resource.count", "count must be 1"
    ),
    Case(
        "a selector without a label",
        SERVING,
        {"resource.labelSelector": {}},
        "resource.labelSelector",
        "names no label",
    ),
    Case(
        "an expression that cannot be stamped",
        SERVING,
        {"resource.labelSelector.matchExpressions": [{"key": "a", "operator": "Exists"}]},
        "resource.labelSelector.matchExpressions[0]",
        "cannot be stamped on a new node",
    ),
    Case(
        "an expression with two values",
        SERVING,
        {
            "resource.labelSelector.matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b", "c"]}
            ]
        },
        "resource.labelSelector.matchExpressions[0]",
        "the operator In with one value",
    ),
    Case(
        "a label and an expression that contradict",
        SERVING,
        {
            "resource.labelSelector.matchExpressions": [
                {"key": "apps", "operator": "In", "values": ["other"]}
            ]
        },
        "resource.labelSelector",
        "asks for two values of one label, and no node can have both",
    ),
    Case(
        "two expressions that contradict",
        SERVING,
        {
            "resource.labelSelector.matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b"]},
                {"key": "a", "operator": "In", "values": ["c"]},
            ]
        },
        "resource.labelSelector",
        "asks for two values of one label, and no node can have both",
    ),
    Case(
        "a value that is asked for and ruled out",
        SERVING,
        {
            "resource.labelSelector.matchExpressions": [
                {"key": "apps", "operator": "NotIn", "values": ["phi"]}
            ]
        },
        "resource.labelSelector.matchExpressions[0]",
        "cannot be stamped on a new node",
    ),
    *(
        Case(
            f"a selector by KAITO's own mark, in {part}",
            SERVING,
            {f"resource.labelSelector.{part}": asked},
            "resource.labelSelector",
            "a label by which KAITO itself marks nodes: use one of your own",
        )
        for part, asked in (
            ("matchLabels", {"apps": "phi", "kaito.sh/workspace": "w"}),
            (
                "matchExpressions",
                [{"key": "kaito.sh/workspace-uid", "operator": "In", "values": ["u"]}],
            ),
        )
    ),
    Case(
        "a type twice",
        SERVING,
        {"resource.instanceTypes": ["A", "B", "A"]},
        "resource.instanceTypes",
        "names a type twice",
    ),
    Case(
        "a partition",
        SERVING,
        {"resource.partition": {"mode": "mig", "count": 1}},
        "resource.partition",
        "not supported by this version",
    ),
    Case(
        "a preset and a template",
        SERVING,
        {"inference.template": {"spec": {}}},
        "inference",
        "exactly one of inference.preset and inference.template",
    ),
    Case(
        "neither preset nor template",
        SERVING,
        {"inference": {}},
        "inference",
        "exactly one of inference.preset and inference.template",
    ),
    Case(
        "private without an image",
        SERVING,
        {"inference.preset.accessMode": "private"},
        "inference.preset.presetOptions",
        "presetOptions.image must be set",
    ),
    Case(
        "private with an empty image",
        TUNING,
        {"tuning.preset.accessMode": "private", "tuning.preset.presetOptions": {"image": ""}},
        "tuning.preset.presetOptions",
        "presetOptions.image must be set",
    ),
    Case(
        "run-time parameters",
        SERVING,
        {"inference.config": "mine"},
        "inference.config",
        "not supported by this version",
    ),
    Case(
        "an adapter's name twice",
        SERVING,
        {"inference.adapters": [adapter("a"), adapter("b"), adapter("a")]},
        "inference.adapters",
        "source.name twice",
    ),
    Case(
        "an adapter without a name",
        SERVING,
        {"inference.adapters": [adapter(None)]},
        "inference.adapters",
        "a source.name each",
    ),
    Case(
        "an adapter's name with a dot",
        SERVING,
        {"inference.adapters": [adapter("a.b")]},
        "inference.adapters",
        "a source.name each",
    ),
    Case(
        "an adapter from nowhere",
        SERVING,
        {"inference.adapters": [adapter("a", imagePullSecrets=["s"])]},
        "inference.adapters",
        "exactly one of source.image and source.volumeSource",
    ),
    Case(
        "an adapter from an address",
        SERVING,
        {"inference.adapters": [adapter("a", image="i", urls=["https://example.com/a"])]},
        "inference.adapters",
        "and no urls",
    ),
    Case(
        "an adapter in two places",
        SERVING,
        {
            "inference.adapters": [
                adapter("a", image="i", volumeSource={"hostPath": {"path": "/a"}})
            ]
        },
        "inference.adapters",
        "exactly one of source.image and source.volumeSource",
    ),
    Case(
        "data in two places, one of them a volume",
        TUNING,
        {"tuning.input.volumeSource": {"hostPath": {"path": "/a"}}},
        "tuning.input",
        "exactly one of urls, volumeSource and image",
    ),
    Case(
        "a volume to put the adapter, and an image without a secret",
        TUNING,
        {"tuning.output": {"image": "i", "volumeSource": {"hostPath": {"path": "/a"}}}},
        "tuning.output.imagePushSecret",
        "must be set with image",
    ),
    Case(
        "adapters of a template",
        SERVING,
        {"inference": {"template": {"spec": {}}, "adapters": [adapter()]}},
        "inference.adapters",
        "adapters need inference.preset",
    ),
    Case(
        "data in two places",
        TUNING,
        {"tuning.input.image": "registry.example/data:1"},
        "tuning.input",
        "exactly one of urls, volumeSource and image",
    ),
    Case(
        "no data",
        TUNING,
        {"tuning.input": {"name": "data"}},
        "tuning.input",
        "exactly one of urls, volumeSource and image",
    ),
    Case(
        "data by another protocol",
        TUNING,
        {"tuning.input.urls": ["https://example.com/a", "ftp://example.com/b"]},
        "tuning.input",
        "must begin with https:// or http://",
    ),
    Case(
        "nowhere to put the adapter",
        TUNING,
        {"tuning.output": {}},
        "tuning.output",
        "at least one of image and volumeSource",
    ),
    Case(
        "an image to push without a secret",
        TUNING,
        {"tuning.output.imagePushSecret": GONE},
        "tuning.output.imagePushSecret",
        "must be set with image",
    ),
)
"""Rules that both the API server and the controller know."""

UNREADABLE = (
    Case("no node", SERVING, {"resource.count": 0}, "resource.count", "greater than or equal to 1"),
    Case("a mode", SERVING, {"inference.preset.accessMode": "x"}, "inference.preset.accessMode"),
    Case("no selector", SERVING, {"resource.labelSelector": GONE}, "resource.labelSelector"),
    Case("a method", TUNING, {"tuning.method": "full"}, "tuning.method", "should match"),
    Case(
        "eleven adapters",
        SERVING,
        {"inference.adapters": [adapter(f"a{number}") for number in range(11)]},
        "inference.adapters",
        "at most 10",
    ),
    *(
        Case(
            f"a strength of {strength}",
            SERVING,
            {"inference.adapters": [{**adapter(), "strength": strength}]},
            "inference.adapters[0].strength",
            "should match",
        )
        for strength in ("abc", "1.1", "-0.5", "1e-1", "", ".", "0.5.0", "1.01", "00.5")
    ),
)
"""What the schema alone refuses: the controller could not even read it."""

ACCEPTED = (
    Case("serving", SERVING, {}),
    Case("tuning", TUNING, {}),
    Case("longest name", SERVING, {"metadata.name": "w" * 52}),
    Case("LoRA in capitals", TUNING, {"tuning.method": "LoRA"}),
    Case("no type", SERVING, {"resource.instanceType": GONE}),
    Case("an empty type", SERVING, {"resource.instanceType": ""}),
    *(
        Case(
            f"strength {strength}",
            SERVING,
            {"inference.adapters": [{**adapter(), "strength": strength}]},
        )
        for strength in ("0", "1", "0.5", ".5", "1.", "1.0", "0.12345678901")
    ),
    Case("types", SERVING, {"resource.instanceTypes": ["Standard_NC24ads_A100_v4", "B"]}),
    Case(
        "a label that is said twice alike",
        SERVING,
        {
            "resource.labelSelector.matchExpressions": [
                {"key": "apps", "operator": "In", "values": ["phi"]}
            ]
        },
    ),
    Case(
        "an expression",
        SERVING,
        {
            "resource.labelSelector": {
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]
            }
        },
    ),
    Case(
        "private",
        SERVING,
        {
            "inference.preset": {
                "name": "phi",
                "accessMode": "private",
                "presetOptions": {"image": "i"},
            }
        },
    ),
    Case("a token", SERVING, {"inference.preset.presetOptions.modelAccessSecret": "hub"}),
    Case("a template", SERVING, {"inference": {"template": {"spec": {"anything": [1]}}}}),
    Case(
        "ten adapters",
        SERVING,
        {"inference.adapters": [{**adapter(f"A-{n}"), "strength": "0.5"} for n in range(10)]},
    ),
    Case("a volume's adapter", SERVING, {"inference.adapters": [adapter("a", volumeSource={})]}),
    Case("a volume", TUNING, {"tuning.output": {"volumeSource": {"emptyDir": {}}}}),
    Case(
        "an image",
        TUNING,
        {"tuning.input": {"image": "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1"}},
    ),
)
