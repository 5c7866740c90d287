"""Messages of conditions: short enough to be stored, and to be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_EXCERPT = 400
_LISTED = 5


def excerpt(text: str) -> str:
    """The end of somebody's words, which is where an error stands."""
    return text if len(text) <= _EXCERPT else f"…{text[-_EXCERPT:]}"


def shortened(text: str, *, most: int) -> str:
    """The beginning of a text, `most` characters at most."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def listed(sentences: Iterable[str]) -> str:
    """The sentences that differ, the first few of many."""
    found = list(dict.fromkeys(sentences))
    more = len(found) - _LISTED
    return "; ".join((*found[:_LISTED], *([f"and {more} more"] if more > 0 else ())))
