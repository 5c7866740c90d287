"""The part of somebody's words that fits into a condition. Pure."""

from __future__ import annotations

_LIMIT = 400


def excerpt(text: str) -> str:
    """The end of a text, which is where an error stands, short enough for a condition."""
    return text if len(text) <= _LIMIT else f"…{text[-_LIMIT:]}"
