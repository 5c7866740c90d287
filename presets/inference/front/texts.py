"""How many texts one request asks for."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

LISTS = ("prompt", "prompt_embeds")
"""Fields that hold one prompt, or several."""
COUNT: TypeAdapter[int] = TypeAdapter(int)
"""Reads a number as vLLM's own forms do: "8" is one too."""


def texts_asked(fields: Mapping[str, object]) -> int:
    """Prompts times answers to each; at least 1.

    Args:
        fields: of a completion or a chat; what is of a wrong form is left to its path.
    """
    prompts = sum(prompts_in(fields.get(name)) for name in LISTS)
    try:
        answers = COUNT.validate_python(fields.get("n", 1))
    except ValidationError:
        answers = 1
    return max(1, prompts) * max(1, answers)


def prompts_in(value: object) -> int:
    """How many prompts a field holds: a list of numbers is the tokens of one."""
    if isinstance(value, list) and any(isinstance(one, str | list) for one in value):
        return len(value)
    return 0 if value is None else 1
