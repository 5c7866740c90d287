"""What a request can be told, with its HTTP status.

ServingError(message, param)
├── InvalidRequest   400   the request is well formed but cannot be done
├── QueueFull        429   too many requests wait already
└── NotReady         503   the model is loading, or has failed to load
"""

from __future__ import annotations

from typing import ClassVar


class ServingError(Exception):
    """A reason that the client may read."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """The field of the request that is to be changed, dotted; None when none is."""


class InvalidRequest(ServingError):
    """The request asks for what this model cannot do."""

    status = 400
    type = "invalid_request_error"


class QueueFull(ServingError):
    """As many requests wait as are allowed to."""

    status = 429
    type = "rate_limit_error"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class NotReady(ServingError):
    """There is no model to ask."""

    status = 503
    type = "service_unavailable_error"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


def body(*, message: str, type: str, code: int, param: str | None = None) -> dict[str, object]:
    """The JSON of an error, in the shape that OpenAI's clients read."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
