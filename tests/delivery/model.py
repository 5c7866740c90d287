"""A model behind an API server's proxy, whose second word waits until it is told."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiohttp import web

PROXY = "/api/v1/namespaces/default/services/phi-3:80/proxy"


@dataclass
class Model:
    """One model.

    Attributes:
        kubeconfig: of its cluster.
        words: its answer, in pieces.
        go_on: what the pieces after the first wait for.
        ended: whether it has said all.
        questions: what it was asked.
    """

    kubeconfig: Path
    words: tuple[str, ...]
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    questions: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def speaking(cls, *words: str) -> AsyncIterator[Model]:
        """Serve it on loopback as long as the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            model = cls(Path(folder) / "config", words)
            app = web.Application()
            app.router.add_get(f"{PROXY}/v1/models", model._names)
            app.router.add_post(f"{PROXY}/v1/chat/completions", model._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = runner.addresses[0][1]
                model.kubeconfig.write_text(_kubeconfig(f"http://127.0.0.1:{port}"))
                yield model
            finally:
                await runner.cleanup()

    async def _names(self, _request: web.Request) -> web.Response:
        """The models of the server."""
        return web.json_response({"data": [{"id": "phi-3"}]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Piece after piece, as server-sent events."""
        body = await request.json()
        self.questions.append(body["messages"][-1]["content"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in self.words:
            event = json.dumps({"choices": [{"delta": {"content": word}}]})
            await response.write(f"data: {event}\n\n".encode())
            await self.go_on.wait()
        self.ended = True
        await response.write(b"data: [DONE]\n\n")
        return response


def _kubeconfig(server: str) -> str:
    """A kubeconfig of one cluster."""
    config = {
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
    }
    return yaml.safe_dump(config)
