"""Equal values as one object: what thousands of objects of one template say is kept once.

Only values that nobody changes may be shared; which of two equal ones is kept makes no difference
to those who read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_LIMIT = 2048
"""How many values of each sort are known, the latest; one that is forgotten is kept again."""
_SECONDS_LENGTH = len("2026-01-01T00:00:00Z")

shared: Callable[[Any], Any] = lru_cache(maxsize=_LIMIT)(lambda value: value)
"""The first of all equal values; they must be hashable."""

_mapping = lru_cache(maxsize=_LIMIT)(lambda items: dict(items))
_moment = lru_cache(maxsize=_LIMIT)(datetime.fromisoformat)


def _parsed(value: object) -> object:
    """A moment as the API server writes it, parsed once; all else is left to pydantic."""
    if isinstance(value, str) and len(value) == _SECONDS_LENGTH and value.endswith("Z"):
        try:
            return _moment(value)
        except ValueError:
            return value
    return value


def _shared_words(words: Mapping[str, str]) -> Mapping[str, str]:
    return _mapping(tuple(words.items()))


Shared = AfterValidator(shared)
"""Annotates a hashable value."""
SharedWords = AfterValidator(_shared_words)
"""Annotates a mapping between strings."""
Words = Annotated[Mapping[str, str], SharedWords]
"""Names with a text each, such as labels."""
Moment = Annotated[datetime, BeforeValidator(_parsed)]
"""A time."""
