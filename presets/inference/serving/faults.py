"""What a client is told when something is wrong: one shape, and the field to change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import StarletteHTTPException as HTTPException
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from serving.errors import ServingError, body

V1 = "/v1/"
"""Below it a body of a wrong form is 400, as OpenAI's clients know it; elsewhere it is 422."""

FAULT = HTTPStatus.INTERNAL_SERVER_ERROR
"""The least status that is the server's fault."""


def add_handlers(app: FastAPI) -> None:
    """Have every error answered here."""
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Any]]] = {
        ServingError: serving_error,
        ValidationError: validation_error,
        HTTPException: http_error,
        Exception: unexpected_error,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def serving_body(error: ServingError) -> dict[str, dict[str, object]]:
    """A refusal of our own as JSON."""
    return body(message=error.message, type=error.type, code=error.status, param=error.param)


async def serving_error(_: Request, error: ServingError) -> Any:
    """Our own refusals."""
    return JSONResponse(serving_body(error), status_code=error.status, headers=error.headers)


async def validation_error(request: Request, error: ValidationError) -> Any:
    """A body that is no JSON (400) or of a wrong form: the first field that is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    is_bad = first["type"] == "json_invalid" or request.url.path.startswith(V1)
    status = HTTPStatus.BAD_REQUEST if is_bad else HTTPStatus.UNPROCESSABLE_ENTITY
    reason = "unknown field" if first["type"] == "extra_forbidden" else str(first["msg"])
    message = f"{field}: {reason}" if field else reason
    content = body(message=message, type="invalid_request_error", code=status, param=field or None)
    return JSONResponse(content, status_code=status)


async def http_error(_: Request, error: HTTPException) -> Any:
    """No such path, no such method, too large."""
    content = body(message=str(error.detail), type="invalid_request_error", code=error.status_code)
    return JSONResponse(content, status_code=error.status_code, headers=error.headers)


async def unexpected_error(_: Request, __: Exception) -> Any:
    """A fault of this program: the guard logs the reason, and the client does not get it."""
    content = body(message="internal error; see the server's log", type="server_error", code=FAULT)
    return JSONResponse(content, status_code=FAULT)
