"""Our server with a route that raises before its answer has begun, and one that does so after.

Run in the inference environment: `python faulty.py QUESTION...`, each a path, with POST where a
space and a body follow it; on standard output a JSON list of `[status, headers, text, error]` in
the same order: the name of what was raised to the HTTP server, "" for nothing. The log is on
standard error, from warnings on. A path of `/leave` is left amid a question. The model breaks off
after a prompt of token 1; after any other it writes token 0, which nothing can decode at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

sys.path.insert(0, str(Path().absolute()))
sys.path.insert(0, str(Path("presets/inference").absolute()))

from serving import log
from serving.app import application
from serving.encoder import Encoder, Limits
from serving.incoming import whole_body
from serving.job import BASE, Cache, Job, Piece, Sink
from serving.metrics import Metrics
from serving.worker import Worker

from tests.unit.presets.exchange import LEFT, Exchange, part

BREAKING = 1
"""A token of a prompt at which the model breaks off."""


class Breaking:
    """A model that comes to nothing."""

    adapters = ()
    merged = BASE
    running: frozenset[str] = frozenset()
    cache_share = 0.0
    cache = Cache(page_tokens=16, pages=1, dtype="float32", is_shared=False)
    failure = ""

    def __init__(self) -> None:
        words = Tokenizer(WordLevel({"word": 0, "break": BREAKING}))
        tokenizer = SimpleNamespace(backend_tokenizer=words, decode=undecodable)
        self.encoder = Encoder(tokenizer, Limits(2, 64, ()))

    def is_deferred(self, _: Job) -> bool:
        """Nothing waits."""
        return False

    def begin(self, _: str, job: Job, sink: Sink) -> None:
        """Write a token, or break off."""
        now = time.perf_counter()
        broken = Piece((), now, "error", "out of memory")
        piece = broken if BREAKING in job.token_ids else Piece((0,), now, "length")
        asyncio.get_running_loop().call_soon(sink, piece)

    def cancel(self, id: str, job: Job) -> None:
        """Nothing is under way."""


def undecodable(_: Sequence[int], **__: object) -> str:
    """Raise what nobody foresaw."""
    raise ZeroDivisionError("a secret reason")


def server() -> FastAPI:
    """The application with its own middleware and handlers, and a model that is no good."""
    metrics = Metrics("tiny")
    worker = Worker(Breaking, max_running=1, max_queue=1, metrics=metrics)
    worker._settled(Breaking())
    app = application(worker, metrics, print, model_name="tiny")
    app.get("/early")(early)
    app.get("/late")(late)
    app.get("/leave")(leave)
    return app


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


async def asked(app: FastAPI, question: str) -> list[object]:
    """Ask it, as an HTTP server does."""
    path, _, body = question.partition(" ")
    exchange = Exchange(LEFT if path == "/leave" else part(body))
    error = ""
    try:
        await exchange.put(app, "POST" if body else "GET", path, {"x-request-id": "mine"})
    except ZeroDivisionError as raised:
        error = type(raised).__name__
    return [exchange.status, exchange.headers, exchange.text, error]


async def main() -> None:
    """Ask all of it, one after another."""
    app = server()
    json.dump([await asked(app, question) for question in sys.argv[1:]], sys.stdout)


if __name__ == "__main__":
    log.configure("warning")
    asyncio.run(main())
