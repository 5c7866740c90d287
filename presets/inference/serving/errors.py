"""What a request can be told, with its HTTP status.

ServingError(message, param)
├── InvalidRequest   400   the request is well formed but cannot be done
├── Unauthorized     401   the API key is missing or wrong
├── UnknownModel     404   neither the model nor an adapter has that name
├── QueueFull        429   too many requests wait already
├── Failed           500   the model broke off
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


class Unauthorized(ServingError):
    """The request comes without the key, or with another one."""

    status = 401
    type = "authentication_error"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class UnknownModel(ServingError):
    """Nothing of that name is served here."""

    status = 404
    type = "not_found_error"


class QueueFull(ServingError):
    """As many requests wait as are allowed to."""

    status = 429
    type = "rate_limit_error"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class Failed(ServingError):
    """The model broke off in the middle of this request."""


class NotReady(ServingError):
    """There is no model to ask."""

    status = 503
    type = "service_unavailable_error"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class BadAdapter(Exception):
    """An adapter that cannot be served; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"adapter {name}: {reason}")


def body(
    *, message: str, type: str, code: int, param: str | None = None
) -> dict[str, dict[str, object]]:
    """The JSON of an error, in the shape that OpenAI's clients read."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
