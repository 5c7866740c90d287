"""Our server with a route that raises before its answer has begun, and one that does so after.

Run in the inference environment: `python faulty.py PATH...`; on standard output a JSON list of
`[status, headers, text, error]` in the same order: the name of what was raised to the HTTP server,
"" for nothing. The log is on standard error. A path of `/leave` is left amid a question.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

sys.path.insert(0, str(Path("presets/inference").absolute()))

from serving import log
from serving.app import application
from serving.incoming import whole_body
from serving.job import Engine
from serving.metrics import Metrics
from serving.worker import Worker


def server() -> FastAPI:
    """The application with its own middleware and handlers, and without a model."""
    metrics = Metrics("tiny")
    worker = Worker(no_model, max_running=1, max_queue=1, metrics=metrics)
    app = application(worker, metrics, print, model_name="tiny")
    app.get("/early")(early)
    app.get("/late")(late)
    app.get("/leave")(leave)
    return app


def no_model() -> Engine:
    """It is never loaded."""
    raise AssertionError


async def early() -> None:
    """Raise instead of an answer."""
    raise ZeroDivisionError("a secret reason")


async def late() -> Any:
    """Raise amid the answer."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError("a secret reason")

    return StreamingResponse(parts())


async def leave(request: Request) -> None:
    """Wait for the whole question."""
    await whole_body(request)


async def asked(app: FastAPI, path: str) -> list[object]:
    """Ask it, as an HTTP server does."""
    said: list[Any] = []
    left = [{"type": "http.disconnect"}] if path == "/leave" else [{"type": "http.request"}]

    async def receive() -> Mapping[str, object]:
        return left.pop() if left else await asyncio.Future()

    async def send(message: Mapping[str, object]) -> None:
        said.append(message)

    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("a", 1),
        "client": ("b", 2),
        "headers": [(b"x-request-id", b"mine")],
    }
    error = ""
    try:
        await app(scope, receive, send)
    except ZeroDivisionError as raised:
        error = type(raised).__name__
    text = b"".join(part.get("body", b"") for part in said).decode()
    if not said:
        return [0, {}, text, error]
    found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return [said[0]["status"], found, text, error]


async def main() -> None:
    """Ask all of it, one after another."""
    app = server()
    json.dump([await asked(app, path) for path in sys.argv[1:]], sys.stdout)


if __name__ == "__main__":
    log.configure("info")
    asyncio.run(main())
