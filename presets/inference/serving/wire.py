"""What every body on the wire shares: exact types, known fields only."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TEXT_CHARACTERS = 4_000_000
"""Beyond what 1,000,000 tokens of context hold; keeps one request from filling the memory."""

Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
TokenCount = Annotated[int, Field(ge=1, le=10_000_000)]
Probability = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    """Exact types, finite numbers, known fields only."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        return {name: whole(value) for name, value in fields.items()}


def whole(value: object) -> object:
    """4 in place of 4.0, in lists as well: JSON knows one kind of number."""
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
