"""What every request passes: its id, the key where one is set, and who answers for our faults."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Request
from fastapi.datastructures import Headers
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from serving import log
from serving.errors import Unauthorized, body
from serving.faults import FAULT, unexpected_error

REQUEST_ID = "x-request-id"
GOOD_ID = re.compile(r"[\x21-\x7e]{1,128}")
"""What a client may choose as an id: it goes into a header and into logs."""
OPEN_PATHS = frozenset({"/", "/health", "/healthz", "/metrics", "/version", "/openapi.json"})
"""What probes, Prometheus and the curious read without a key."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware."""

    def __init__(self, app: Application, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or let the request through; every answer carries its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        id = request_id(headers)
        scope.setdefault("state", {})["request_id"] = id
        marked = Marked(send, id)
        answering = self._app if self._is_welcome(scope["path"], headers) else refusal()
        try:
            await answering(scope, receive, marked)
        except ClientDisconnect:
            # It left before all of its question was there: nobody waits for an answer.
            return
        except Exception as error:
            # Starlette itself would answer outside of what adds the id.
            answer = None if marked.has_begun else await fault(scope, error)
            # vLLM calls every ValueError and TypeError the client's, its own ones too.
            is_ours = answer is None or answer.status_code >= FAULT
            tell = log.error if is_ours else log.warning
            tell("request.failed", request_id=id, exception=error)
            if answer is None:
                raise
            await answer(scope, receive, marked)

    def _is_welcome(self, path: str, headers: Headers) -> bool:
        if not self._key or path in OPEN_PATHS:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._key)
        return scheme.lower() == "bearer" and same


class Marked:
    """Sends an answer with the id of its request among the headers."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self._id = id
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            pair = (REQUEST_ID.encode(), self._id.encode())
            message["headers"] = [*message["headers"], pair]
        await self._send(message)


async def fault(scope: Scope, error: Exception) -> Any:
    """What the server says of an error that nothing in it awaited."""
    handler = scope["app"].exception_handlers.get(Exception, unexpected_error)
    return await handler(Request(scope), error)


def request_id(headers: Headers) -> str:
    """The client's own id of its request, or a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex


def refusal() -> JSONResponse:
    """The answer to who has no key."""
    error = Unauthorized("this server asks for an API key: Authorization: Bearer KEY")
    content = body(message=error.message, type=error.type, code=error.status)
    return JSONResponse(content, status_code=error.status, headers=error.headers)
