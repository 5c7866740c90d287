"""Changes of a Workspace, right and wrong."""

from __future__ import annotations

from tests.admission.cases import GONE, SERVING, TUNING, Case, adapter

RECREATE = "delete the Workspace and create it anew"
FROZEN = (
    Case("count", SERVING, {"resource.count": 2}, "resource.count", "count is immutable"),
    Case(
        "instance type", SERVING, {"resource.instanceType": "B"}, "resource.instanceType", RECREATE
    ),
    Case(
        "instance type gone",
        SERVING,
        {"resource.instanceType": GONE},
        "resource.instanceType",
        "instanceType is immutable",
    ),
    Case(
        "instance types come",
        SERVING,
        {"resource.instanceTypes": ["B"]},
        "resource.instanceTypes",
        "instanceTypes is immutable",
    ),
    Case(
        "selector",
        SERVING,
        {"resource.labelSelector.matchLabels": {"apps": "other"}},
        "resource.labelSelector",
        "labelSelector is immutable",
    ),
    Case(
        "preset",
        SERVING,
        {"inference.preset.name": "phi-4"},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "preset to template",
        SERVING,
        {"inference": {"template": {"spec": {}}}},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "serving to tuning",
        SERVING,
        {"inference": GONE, "tuning": TUNING["tuning"]},
        "",
        "exchanged",
    ),
    Case("tuning beside serving", SERVING, {"tuning": TUNING["tuning"]}, "", "neither added"),
    Case("base model", TUNING, {"tuning.preset.name": "phi-4"}, "tuning.preset", RECREATE),
    Case("method", TUNING, {"tuning.method": "lora"}, "tuning.method", "method is immutable"),
    Case("name of the data", TUNING, {"tuning.input.name": "other"}, "tuning.input", "input.name"),
)
"""Changes that are refused."""

FREE = (
    Case("preferred nodes", SERVING, {"resource.preferredNodes": ["n"]}),
    Case("adapters", SERVING, {"inference.adapters": [adapter()]}),
    Case("data", TUNING, {"tuning.input.urls": ["https://example.com/other.parquet"]}),
    Case("output", TUNING, {"tuning.output.image": "registry.example/other:1"}),
    Case("training configuration", TUNING, {"tuning.config": "mine"}),
)
"""Changes that are admitted."""
