"""What a cluster had before: a definition that knew of no rule."""

from __future__ import annotations

from typing import Any


def without_rules(schema: Any) -> Any:
    """A definition, or a part of one, as it was before anybody thought of rules."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if key != "x-kubernetes-validations"}
        return {key: without_rules(value) for key, value in kept.items()}
    return [without_rules(each) for each in schema] if isinstance(schema, list) else schema
