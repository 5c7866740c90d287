"""An HTTP server's part in ASGI, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, object]
LEFT: Message = {"type": "http.disconnect"}
"""The client has gone."""


def part(body: str, *, more: bool = False) -> Message:
    """A part of a question's body, or the whole."""
    return {"type": "http.request", "body": body.encode(), "more_body": more}


class Exchange:
    """One question to an application, and what it answers."""

    def __init__(self, *heard: Message) -> None:
        self._heard = list(heard)
        self._said: list[Any] = []

    async def put(
        self,
        app: Callable[..., Awaitable[None]],
        method: str,
        path: str,
        headers: Mapping[str, str],
    ) -> None:
        """Ask the question."""
        scope: dict[str, object] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("a", 1),
            "client": ("b", 2),
            "state": {},
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await app(scope, self._receive, self._send)

    @property
    def status(self) -> int:
        """The code of the answer; 0 for none."""
        return int(self._said[0]["status"]) if self._said else 0

    @property
    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        found = self._said[0]["headers"] if self._said else ()
        return {name.decode(): value.decode() for name, value in found}

    @property
    def text(self) -> str:
        """What came of the answer's body."""
        return b"".join(each.get("body", b"") for each in self._said).decode()

    async def _receive(self) -> Message:
        return self._heard.pop(0) if self._heard else await asyncio.Future()

    async def _send(self, message: Message) -> None:
        self._said.append(message)
