"""One request and its answer, without the HTTP server around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""

    def header(self, name: str) -> str:
        """One header, by its lower-case name; "" when it is absent."""
        return self.headers.get(name, "")

    @property
    def api_version(self) -> str:
        """The api-version that the client speaks; "" when it names none."""
        return self.query.get("api-version", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is told."""

    status: int
    body: JsonValue = None
    headers: Mapping[str, str] = field(default_factory=dict)


DROPPED = Answer(status=0)
"""No answer: the connection is closed instead."""
