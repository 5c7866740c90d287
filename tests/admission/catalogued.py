"""Workspaces that only the catalogue can judge, and what is said of each.

What is expected is written here by hand, as in `cases`.
"""

from __future__ import annotations

from typing import Any

from tests.admission.cases import GONE, SERVING, TUNING, Case

UNKNOWN = Case("unknown type", SERVING, {"resource.instanceType": "Standard_Z"})


def serving(model: str, type_: str, *, count: int = 1) -> Case:
    """A model on a type."""
    return Case(
        f"{model} on {count} {type_}",
        SERVING,
        {"inference.preset.name": model, "resource.instanceType": type_, "resource.count": count},
    )


def tuning(model: str, type_: str, method: str) -> Case:
    """A model to tune on a type."""
    return Case(
        f"{method} of {model} on {type_}",
        TUNING,
        {
            "tuning.preset.name": model,
            "resource.instanceType": type_,
            "tuning.method": method,
        },
    )


PRIVATE: dict[str, Any] = {
    "inference.preset": {
        "name": "llama-2-7b",
        "accessMode": "private",
        "presetOptions": {"image": "registry.example/llama:1"},
    }
}
TOKEN = Case(
    "a token that opens nothing",
    SERVING,
    {"inference.preset.presetOptions.modelAccessSecret": "hub"},
)
WHOLE = (
    "preset.presetOptions.modelAccessSecret: phi-3-mini-4k-instruct has its weights in its image"
    " and needs no token: leave it out"
)
SPOKEN = (
    (TOKEN, f"inference.{WHOLE}"),
    (
        Case(
            "a token to tune with",
            TUNING,
            {"tuning.preset.presetOptions.modelAccessSecret": "hub"},
        ),
        f"tuning.{WHOLE}",
    ),
    (
        Case("an unknown preset", SERVING, {"inference.preset.name": "phi-44"}),
        "inference.preset.name: no preset is named phi-44",
    ),
    (
        UNKNOWN,
        (
            "resource.instanceType: Standard_Z is not in the table of GPU instance types: check its"
            " spelling, upper and lower case count"
        ),
    ),
    (
        Case("an unknown one of several", SERVING, {"resource.instanceTypes": ["Standard_Z"]}),
        "resource.instanceTypes[0]: Standard_Z is not in the table",
    ),
    (
        Case(
            "a small one of several",
            SERVING,
            {
                "inference.preset.name": "phi-4",
                "resource.instanceTypes": ["Standard_NC40ads_H100_v5", "Standard_NC6s_v3"],
            },
        ),
        (
            "resource.instanceTypes[1]: phi-4 needs 31.94 GiB on each GPU for its weights, 2048"
            " tokens and the run-time, Standard_NC6s_v3 has 1 GPU with 16 GiB, of which 13.44 GiB"
            " can be used: choose a larger instance type"
        ),
    ),
    (
        serving("falcon-40b", "Standard_NC6s_v3"),
        (
            "resource.instanceType: falcon-40b needs one GPU with 90 GiB to serve by its authors'"
            " figure, Standard_NC6s_v3 has 1 GPU with 16 GiB: choose a larger instance type"
        ),
    ),
    (
        Case("a public llama", SERVING, {"inference.preset.name": "llama-2-7b"}),
        (
            "inference.preset: llama-2-7b has no public image: set accessMode to private and"
            " presetOptions.image to yours"
        ),
    ),
)
"""What is refused, and the sentence that says so."""

ADMITTED = (
    serving("microsoft/PHI-4", "Standard_NC24ads_A100_v4"),
    serving("phi-3-mini-128k-instruct", "Standard_NC6s_v3"),
    tuning("phi-3-mini-4k-instruct", "Standard_NC6s_v3", "qLoRA"),
    Case("no type", SERVING, {"resource.instanceType": GONE}),
    Case(
        "a token of the hub",
        SERVING,
        {
            "inference.preset": {
                "name": "llama-3.1-8b-instruct",
                "presetOptions": {"modelAccessSecret": "hub"},
            }
        },
    ),
    Case("an empty type", SERVING, {"resource.instanceType": ""}),
    Case("a template", SERVING, {"inference": {"template": {"spec": {}}}}),
    Case("an image of one's own", SERVING, PRIVATE),
    Case(
        "a model that does not fit, and a user who says that it does",
        SERVING,
        {
            "inference.preset.name": "phi-4",
            "resource.instanceType": "Standard_NC6s_v3",
            "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
        },
    ),
    Case(
        "a type of no table, and a user who brings nodes of it",
        SERVING,
        {
            "resource.instanceType": "rack-1",
            "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
        },
    ),
)
"""What is let through."""


def untunable(about: str, **preset: Any) -> Case:
    """A model that cannot be tuned, and a user who says that it fits."""
    changes = {
        "tuning.preset": preset,
        "resource.instanceType": "Standard_NC24ads_A100_v4",
        "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
    }
    return Case(about, TUNING, changes)


OWN = {"accessMode": "private", "presetOptions": {"image": "registry.example/llama:1"}}
NOT_OFFERED = "cannot be tuned: the preset's authors do not offer it"
UNTUNABLE = (
    (
        untunable("served by vllm", name="gpt-oss-20b"),
        f"tuning.preset.name: gpt-oss-20b {NOT_OFFERED}",
    ),
    (
        untunable("on transformers", name="falcon-7b-instruct"),
        f"tuning.preset.name: falcon-7b-instruct {NOT_OFFERED}",
    ),
    (
        untunable("of an image without a trainer", name="phi-4-mini-instruct"),
        (
            "tuning.preset.name: phi-4-mini-instruct cannot be tuned: image"
            " kaito-vllm holds no trainer: tune a model whose image is KAITO's"
            " own on transformers"
        ),
    ),
    (
        untunable("of a private image", name="llama-2-7b"),
        "tuning.preset: llama-2-7b has no public image",
    ),
    (
        untunable("of one's own image", name="llama-2-7b", **OWN),
        f"tuning.preset.name: llama-2-7b {NOT_OFFERED}",
    ),
)
"""What cannot be tuned, whatever the user says of memory."""
