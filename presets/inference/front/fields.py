"""The fields of a request, and the first that its path would take and not follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

INSTEAD: Mapping[str, str] = {
    "request_id": "send the header X-Request-Id",
    "return_token_offsets": "ask for return_token_ids",
    "return_assistant_tokens_mask": "ask apply_chat_template of the model's tokenizer",
}
"""Fields that vLLM 0.25 knows and that change nothing here, and what does: every request has an id
among its headers, which counts; offsets and masks are answered on paths that are not in our
contract."""


def fields_of(content: bytes) -> Mapping[str, object]:
    """The fields of a request's body.

    What is no JSON object has none: it is left to its path, which refuses it in its own words.
    """
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def unknown_field(fields: Mapping[str, object], asked: type[BaseModel]) -> str:
    """Dotted name of a field that a request has and its path does not know; "" for none.

    Args:
        fields: of the request.
        asked: what the path reads it as.
    """
    known = {field.alias or name: field for name, field in asked.model_fields.items()}
    known |= asked.model_fields
    for name, value in fields.items():
        if name not in known:
            return name
        inner = only_model(known[name].annotation)
        if inner and isinstance(value, dict) and (found := unknown_field(value, inner)):
            return f"{name}.{found}"
    return ""


def field_without_effect(fields: Mapping[str, object]) -> str:
    """Name of a field that is known and changes nothing; "" for none."""
    return next((name for name in INSTEAD if fields.get(name) not in (None, False)), "")


def only_model(annotation: Any) -> type[BaseModel] | None:
    """The form of a field that has exactly one."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    only = kinds[0] if len(kinds) == 1 else None
    return only if isinstance(only, type) and issubclass(only, BaseModel) else None
