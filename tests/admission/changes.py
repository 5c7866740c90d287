"""Changes of a Workspace, right and wrong."""

from __future__ import annotations

from typing import Any

from tests.admission.cases import GONE, SERVING, TUNING, Case, adapter

RECREATE = "delete the Workspace and create it anew"
CHOOSY: dict[str, Any] = {
    **SERVING,
    "resource": {**SERVING["resource"], "instanceTypes": ["B", "C"]},
}
OWN: dict[str, Any] = {
    **SERVING,
    "inference": {
        "preset": {
            "name": "phi-3-mini-4k-instruct",
            "accessMode": "private",
            "presetOptions": {"image": "registry.example/phi:1"},
        }
    },
}
TEMPLATE: dict[str, Any] = {**SERVING, "inference": {"template": {"spec": {"containers": []}}}}
NAMELESS: dict[str, Any] = {
    **TUNING,
    "tuning": {**TUNING["tuning"], "input": {"urls": ["https://example.com/data.parquet"]}},
}
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
        "instance types change",
        CHOOSY,
        {"resource.instanceTypes": ["B", "D"]},
        "resource.instanceTypes",
        "instanceTypes is immutable",
    ),
    Case(
        "instance types in another order",
        CHOOSY,
        {"resource.instanceTypes": ["C", "B"]},
        "resource.instanceTypes",
        "instanceTypes is immutable",
    ),
    Case(
        "one instance type less",
        CHOOSY,
        {"resource.instanceTypes": ["B"]},
        "resource.instanceTypes",
        "instanceTypes is immutable",
    ),
    Case(
        "instance types gone",
        CHOOSY,
        {"resource.instanceTypes": GONE},
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
        "public to private",
        SERVING,
        {"inference": OWN["inference"]},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "private to public",
        OWN,
        {"inference.preset.accessMode": "public"},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "another image of a preset",
        OWN,
        {"inference.preset.presetOptions.image": "registry.example/phi:2"},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "secrets of a preset",
        OWN,
        {"inference.preset.presetOptions.imagePullSecrets": ["mine"]},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "options of a preset gone",
        OWN,
        {"inference.preset.accessMode": "public", "inference.preset.presetOptions": GONE},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "template to preset",
        TEMPLATE,
        {"inference": SERVING["inference"]},
        "inference.preset",
        "preset is immutable",
    ),
    Case(
        "a preset beside a template",
        TEMPLATE,
        {"inference.preset": SERVING["inference"]["preset"]},
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
    Case("the data gets a name", NAMELESS, {"tuning.input.name": "data"}, "tuning.input", RECREATE),
    Case("the data loses its name", TUNING, {"tuning.input.name": GONE}, "tuning.input", RECREATE),
    Case(
        "image of a base model",
        TUNING,
        {"tuning.preset.accessMode": "private", "tuning.preset.presetOptions": {"image": "i"}},
        "tuning.preset",
        "preset is immutable",
    ),
)
"""Changes that are refused."""

FREE = (
    Case("preferred nodes", SERVING, {"resource.preferredNodes": ["n"]}),
    Case("adapters", SERVING, {"inference.adapters": [adapter()]}),
    Case("template", TEMPLATE, {"inference.template": {"spec": {"containers": [{"name": "a"}]}}}),
    Case("data", TUNING, {"tuning.input.urls": ["https://example.com/other.parquet"]}),
    Case("output", TUNING, {"tuning.output.image": "registry.example/other:1"}),
    Case("training configuration", TUNING, {"tuning.config": "mine"}),
)
"""Changes that are admitted."""
