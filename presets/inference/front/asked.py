"""Asking the server behind the middleware, within the request that is being answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from serving.errors import body
from serving.guard import REQUEST_ID, Application, Message, Scope
from serving.incoming import CLIENT_GONE

INNER_SCOPE = "kaito.inner"
"""Key of a request's scope: the scope as the inner server is to see it."""
REFUSED = 400
"""The least status that is a refusal."""
REPLACED = frozenset({b"content-type", b"content-length", b"transfer-encoding"})
"""Headers that belong to the body of the client's own request."""


class Refused(Exception):
    """The inner server refuses.

    Attributes:
        status: of HTTP.
        content: body of the answer, `{"error": {…}}`.
    """

    def __init__(self, status: int, content: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {content}")
        self.status = status
        self.content = content


class Inner:
    """The server behind."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def get(self, request: Request, path: str) -> bytes:
        """What a path answers, as it is.

        Raises:
            Refused: the status is no good one.
        """
        return await self._asked(request, "GET", path, b"")

    async def post(self, request: Request, path: str, content: Mapping[str, object]) -> Any:
        """What a path answers to some JSON, decoded.

        Raises:
            Refused: the status is no good one, or the client has left and nothing was answered.
        """
        answer = await self._asked(request, "POST", path, json.dumps(content).encode())
        decoded = json.loads(answer)
        if decoded is None:
            raise Refused(CLIENT_GONE, refusal(CLIENT_GONE, b""))
        return decoded

    async def _asked(self, request: Request, method: str, path: str, content: bytes) -> bytes:
        """Body of the answer; the client's own headers go along, its key among them."""
        exchange = Exchange(request, content)
        await self._app(
            inner_scope(request, method, path, content), exchange.receive, exchange.send
        )
        if exchange.status >= REFUSED:
            raise Refused(exchange.status, refusal(exchange.status, exchange.answer))
        return bytes(exchange.answer)


class Exchange:
    """One question and its answer, as ASGI carries them."""

    def __init__(self, request: Request, content: bytes) -> None:
        self._request = request
        self._content: bytes | None = content
        self.status = 500
        self.answer = bytearray()

    async def receive(self) -> Message:
        """The whole question; then whatever the client does, which can only be to leave."""
        if self._content is None:
            message: Message = await self._request.receive()
            return message
        content, self._content = self._content, None
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        elif message["type"] == "http.response.body":
            self.answer += message.get("body", b"")


def with_id(scope: Scope) -> dict[str, Any]:
    """A scope with the request's id among its headers, whoever chose it: vLLM logs it."""
    name = REQUEST_ID.encode()
    headers = [pair for pair in scope["headers"] if pair[0].lower() != name]
    return {**scope, "headers": [*headers, (name, scope["state"]["request_id"].encode())]}


def inner_scope(request: Request, method: str, path: str, content: bytes) -> dict[str, Any]:
    """The scope of a question to the inner server."""
    given = with_id(request.scope[INNER_SCOPE])
    headers = [pair for pair in given["headers"] if pair[0].lower() not in REPLACED]
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    return {
        **given,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }


def refusal(status: int, answer: bytes | bytearray) -> Mapping[str, Any]:
    """A refusal in the shape that clients read; the inner server's own where it has it."""
    try:
        content = json.loads(answer)
    except ValueError:
        content = None
    error = content.get("error") if isinstance(content, dict) else None
    if isinstance(error, dict):
        return {"error": error}
    message = str(error or bytes(answer).decode(errors="replace") or f"refused with {status}")
    return body(message=message, type="invalid_request_error", code=status)
