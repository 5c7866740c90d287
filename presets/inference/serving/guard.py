"""What every request passes: its id, and the key where one is set."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.datastructures import Headers
from fastapi.responses import JSONResponse

from serving.errors import Unauthorized, body

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
        """Answer 401, or let the request through; either answer carries its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        id = request_id(headers)
        scope.setdefault("state", {})["request_id"] = id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (REQUEST_ID.encode(), id.encode())]
            await send(message)

        if self._is_welcome(scope["path"], headers):
            await self._app(scope, receive, send_with_id)
        else:
            await refusal()(scope, receive, send_with_id)

    def _is_welcome(self, path: str, headers: Headers) -> bool:
        if not self._key or path in OPEN_PATHS:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._key)
        return scheme.lower() == "bearer" and same


def request_id(headers: Headers) -> str:
    """The client's own id of its request, or a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex


def refusal() -> JSONResponse:
    """The answer to who has no key."""
    error = Unauthorized("this server asks for an API key: Authorization: Bearer KEY")
    content = body(message=error.message, type=error.type, code=error.status)
    return JSONResponse(content, status_code=error.status, headers=error.headers)
