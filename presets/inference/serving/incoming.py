"""Reading requests: the whole body, and whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import StarletteHTTPException as HTTPException

CLIENT_GONE = 499
"""Nobody reads it; nginx's number for a client that closed the connection."""
MAX_BODY_BYTES = 16 * 1024 * 1024
SHORT_BODY_BYTES = 4096
"""The tokens of so little text are there within a millisecond, sooner than in another thread."""

Result = TypeVar("Result")


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


async def worked_out(body: bytes, work: Callable[[], Result]) -> Result:
    """What comes of a body; of a long one in a thread, so that others are answered meanwhile."""
    return work() if len(body) <= SHORT_BODY_BYTES else await asyncio.to_thread(work)


async def unless_gone(request: Request, answer: Coroutine[Any, Any, Result]) -> Result | None:
    """The answer, or None if the client left before it was there."""
    working = asyncio.ensure_future(answer)
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
