"""Annotated types whose JSON schema is written by hand: pydantic's would not be structural."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from kaito.kube.objects import Condition
from kaito.kube.sharing import Shared

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

Quantity = Annotated[
    str,
    BeforeValidator(str),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "x-kubernetes-int-or-string": True,
        }
    ),
]
"""A Kubernetes quantity in wire form, e.g. "50Gi"."""

FreeForm = Annotated[
    Mapping[str, JsonValue],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""An object whose fields belong to someone else's schema, e.g. a pod template."""


def _conditions(item: dict[str, JsonValue], required: list[JsonValue]) -> dict[str, JsonValue]:
    """Schema of a list of conditions, merged by type."""
    return {
        "type": "array",
        "items": {"type": "object", "properties": item, "required": required},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }


_TEXT: dict[str, JsonValue] = {"type": "string"}
_STATUS: dict[str, JsonValue] = {"type": "string", "enum": ["True", "False", "Unknown"]}

Conditions = Annotated[
    tuple[Annotated[Condition, Shared], ...],
    WithJsonSchema(
        _conditions(
            {
                "type": {"type": "string", "maxLength": 316},
                "status": _STATUS,
                "reason": {"type": "string", "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            },
            ["type", "status", "lastTransitionTime", "reason", "message"],
        )
    ),
]
"""metav1.Condition, keyed by type for server-side apply."""

KnativeConditions = Annotated[
    tuple[Annotated[Condition, Shared], ...],
    WithJsonSchema(
        _conditions(
            dict.fromkeys(
                ("type", "status", "reason", "message", "severity", "lastTransitionTime"), _TEXT
            ),
            ["type", "status"],
        )
    ),
]
"""The condition shape of karpenter.sh/v1alpha5: `severity`, no `observedGeneration`."""
