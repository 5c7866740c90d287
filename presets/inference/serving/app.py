"""The HTTP surface: routes, and errors in one shape that names the field to change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import StarletteHTTPException as HTTPException
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from serving import log
from serving.chat import ChatAnswer, ChatRequest
from serving.errors import ServingError, body
from serving.metrics import Metrics
from serving.prompt import Completion
from serving.worker import Worker

MAX_BODY_BYTES = 16 * 1024 * 1024
CLIENT_GONE = 499
"""Nobody reads it; nginx's number for a client that closed the connection."""
REFERENCE = "#/components/schemas/{model}"


def application(worker: Worker, metrics: Metrics, on_failure: Callable[[str], None]) -> FastAPI:
    """The ASGI application; the model begins to load when it starts.

    Args:
        worker: not yet started.
        metrics: what `GET /metrics` shows.
        on_failure: called with the reason when the model cannot be loaded.
    """
    app = FastAPI(
        title="KAITO inference",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan(worker, on_failure),
    )
    routes = Routes(worker, metrics)
    app.add_api_route("/", routes.root, methods=["GET"])
    app.add_api_route("/healthz", routes.healthz, methods=["GET"])
    app.add_api_route("/metrics", routes.metrics, methods=["GET"], response_class=Response)
    app.add_api_route(
        "/chat", routes.chat, methods=["POST"], response_model=ChatAnswer, openapi_extra=CHAT_BODY
    )
    app.add_exception_handler(ServingError, serving_error)
    app.add_exception_handler(ValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, unexpected_error)
    app.openapi = lambda: schema(app)
    return app


def lifespan(
    worker: Worker, on_failure: Callable[[str], None]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Starts the worker with the application."""

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        worker.start(on_failure)
        yield

    return run


class Routes:
    """What each path does."""

    def __init__(self, worker: Worker, metrics: Metrics) -> None:
        self._worker = worker
        self._metrics = metrics

    async def root(self) -> dict[str, str]:
        """Say that the process answers, whatever the model does."""
        return {"message": "Server is running"}

    async def healthz(self) -> dict[str, str]:
        """Say that the model is loaded; 503 until then."""
        self._worker.engine()
        return {"status": "Healthy"}

    async def metrics(self) -> Any:
        """Prometheus's text format."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def chat(self, request: Request) -> Any:
        """Generate text after a prompt, or the next turn of a conversation."""
        self._worker.engine()
        wanted = ChatRequest.model_validate_json(await whole_body(request))
        completion = await unless_gone(request, self._worker.answer(wanted))
        if completion is None:
            return Response(status_code=CLIENT_GONE)
        return ChatAnswer(Result=completion.text)


async def whole_body(request: Request) -> bytes:
    """The request's body, refused with 413 as soon as it is too large.

    Read here and not by the framework, so that `curl -d` works without naming the content type.
    """
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MAX_BODY_BYTES:
            message = f"the body is larger than {MAX_BODY_BYTES} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return bytes(parts)


async def unless_gone(request: Request, answer: Any) -> Completion | None:
    """The answer, or None if the client left before it was there."""
    working: asyncio.Task[Completion] = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


async def disconnected(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def serving_error(_: Request, error: ServingError) -> Any:
    """Our own refusals."""
    content = body(message=error.message, type=error.type, code=error.status, param=error.param)
    return JSONResponse(content, status_code=error.status, headers=error.headers)


async def validation_error(_: Request, error: ValidationError) -> Any:
    """A body that is no JSON (400) or of a wrong form (422): the first field that is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    status = (
        HTTPStatus.BAD_REQUEST
        if first["type"] == "json_invalid"
        else HTTPStatus.UNPROCESSABLE_ENTITY
    )
    reason = "unknown field" if first["type"] == "extra_forbidden" else str(first["msg"])
    message = f"{field}: {reason}" if field else reason
    content = body(message=message, type="invalid_request_error", code=status, param=field or None)
    return JSONResponse(content, status_code=status)


async def http_error(_: Request, error: HTTPException) -> Any:
    """No such path, no such method, too large."""
    content = body(message=str(error.detail), type="invalid_request_error", code=error.status_code)
    return JSONResponse(content, status_code=error.status_code, headers=error.headers)


async def unexpected_error(_: Request, error: Exception) -> Any:
    """A fault of this program: the reason goes to the log, not to the client."""
    log.error("request.failed", exception=error)
    content = body(message="internal error; see the server's log", type="server_error", code=500)
    return JSONResponse(content, status_code=500)


CHAT_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": REFERENCE.format(model="ChatRequest")}}
        },
    }
}


def schema(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the body that this module reads by itself."""
    described: dict[str, Any] = get_openapi(title=app.title, version="1", routes=app.routes)
    request = ChatRequest.model_json_schema(ref_template=REFERENCE)
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas |= request.pop("$defs")
    schemas["ChatRequest"] = request
    return described
