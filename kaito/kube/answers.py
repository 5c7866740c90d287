"""What an answer of the API server means: bytes to objects, failures to error classes.

A failure's body should be a Status object, but a proxy in between may answer with HTML
or with nothing; whatever it is, the error class follows from the HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import pydantic_core
from pydantic import Field, ValidationError

from kaito.kube.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Expired,
    Invalid,
    KubeError,
    NotFound,
    ServerFault,
    Throttled,
    Unavailable,
    Undecodable,
)
from kaito.kube.objects import KubeModel

_TEXT_LIMIT = 512
_SERVER_ERROR = 500
_CLASSES: Mapping[int, type[KubeError]] = {
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.UNAUTHORIZED: Denied,
    HTTPStatus.FORBIDDEN: Denied,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Expired,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Invalid,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}


class _Cause(KubeModel):
    """One detail of a failure."""

    reason: str = ""
    message: str = ""


class _Details(KubeModel):
    """The part of a failure that programs read."""

    causes: tuple[_Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(KubeModel):
    """metav1.Status: how the API server says what went wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details = Field(default_factory=_Details)


def decoded(body: bytes) -> object:
    """The JSON value in `body`.

    Raises:
        Undecodable: it is not JSON; the message shows how it begins.
    """
    try:
        return pydantic_core.from_json(body, cache_strings="all")
    except ValueError as error:
        raise Undecodable(HTTPStatus.OK, "NotJSON", _text(body)) from error


def failure(status: int, body: bytes, headers: Mapping[str, str]) -> KubeError:
    """The error that an HTTP answer of `status` >= 300 stands for; headers by lower-case name."""
    try:
        said = Status.model_validate_json(body)
    except ValidationError:
        said = Status(message=_text(body))
    asked = headers.get("retry-after", "")
    return _error(status, said, float(asked) if asked.isdecimal() else None)


def failure_of(item: object) -> KubeError:
    """The error that an ERROR event of a watch stands for; it carries its own code."""
    try:
        said = Status.model_validate(item)
    except ValidationError:
        said = Status(message=repr(item)[:_TEXT_LIMIT])
    return _error(said.code, said, None)


def _error(status: int, said: Status, asked_seconds: float | None) -> KubeError:
    wait = asked_seconds
    if wait is None and said.details.retry_after_seconds:
        wait = float(said.details.retry_after_seconds)
    reason = said.reason or _phrase(status)
    return _class(status, said)(status, reason, _message(said), retry_after_seconds=wait)


def _message(said: Status) -> str:
    """What the server says; which budget forbids an eviction is told in the details only."""
    budgets = [each.message for each in said.details.causes if each.reason == "DisruptionBudget"]
    return " ".join((said.message, *budgets))


def _class(status: int, said: Status) -> type[KubeError]:
    """The class for a status; three reasons say more than their status does."""
    causes = {cause.reason for cause in said.details.causes}
    if said.reason == "AlreadyExists":
        return AlreadyExists
    if said.reason == "Expired" or "ResourceVersionTooLarge" in causes:
        return Expired
    if status == said.code == HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFault
    if status >= _SERVER_ERROR:
        return Unavailable
    return _CLASSES.get(status, KubeError)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"


def _text(body: bytes) -> str:
    return body[:_TEXT_LIMIT].decode(errors="replace")
