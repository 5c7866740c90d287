"""vLLM's front before a server that stands in for vLLM's.

Run in the inference environment: `python fronted.py`, with INFERENCE_MAX_QUEUE for the queue behind
its one running text. On standard input a JSON list of `[path, body, headers]`, asked all at once
with POST, or with GET where the body is "", and on standard output a JSON list of `[status,
headers, body]` in the same order; then a list of two pages of metrics, before and after. The server
answers with what it got once each question was taken or refused; its key is `secret`. A body that
is null ends amid a question, by the client's leaving: null is its answer. The log is on standard
error, as the program before vLLM sets it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest
from pydantic import BaseModel, ConfigDict

sys.path.insert(0, str(Path().absolute()))
sys.path.insert(0, str(Path("presets/inference").absolute()))

from front.app import Front
from serving import log

from tests.unit.presets.exchange import LEFT, Exchange, part


class Asked(BaseModel):
    """As vLLM's own, it takes what it does not know."""

    model_config = ConfigDict(extra="allow")
    prompt: str | list[int] | list[str] = ""
    n: int = 1
    request_id: str = ""
    return_token_offsets: bool | None = False


class Server:
    """What the front asks of vLLM."""

    def __init__(self, questions: int) -> None:
        self._left = questions
        self._all_there = asyncio.Event()
        self.app = FastAPI()
        self.app.state.args = SimpleNamespace(api_key=["secret"])
        self.app.state.vllm_config = SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_seqs=1),
            parallel_config=SimpleNamespace(data_parallel_size=1),
            model_config=SimpleNamespace(served_model_name="tiny"),
        )
        self.app.post("/v1/completions")(self.completion)
        self.app.post("/invocations")(self.completion)
        self.app.post("/v1/responses")(self.completion)
        self.app.post("/tokenize")(self.tokens)
        self.app.get("/v1/models")(self.models)
        self.app.middleware("http")(self.keyed)
        self.app.add_middleware(Front)
        self.app.add_exception_handler(Exception, self.wrong)

    def settle(self) -> None:
        """One question more was taken or answered."""
        self._left -= 1
        if self._left == 0:
            self._all_there.set()

    async def completion(self, asked: Asked, request: Request) -> dict[str, object]:
        """Answer once nobody else is to come."""
        if asked.prompt == "nonsense":
            raise ValueError(asked.prompt)
        self.settle()
        await self._all_there.wait()
        id = request.headers["x-request-id"]
        return {"id": id, "choices": [{"text": f"{asked.prompt}"}]}

    async def wrong(self, _: Request, error: Exception) -> Any:
        """What a request's own fault is called, as vLLM does it."""
        return JSONResponse({"error": {"message": str(error)}}, status_code=400)

    async def tokens(self) -> dict[str, object]:
        """Of any prompt."""
        return {"tokens": [1, 2], "max_model_len": 512}

    async def models(self) -> dict[str, object]:
        """The one."""
        return {"data": [{"id": "tiny", "root": "here"}]}

    async def keyed(self, request: Request, following: Any) -> Any:
        """Ask for the key below /v1, as vLLM does."""
        given = request.headers.get("authorization")
        if request.url.path.startswith("/v1") and given != "Bearer secret":
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        return await following(request)

    async def begin(self) -> None:
        """Start it up, and leave it so."""
        messages = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

        async def receive() -> Mapping[str, object]:
            return messages.pop()

        async def send(_: Mapping[str, object]) -> None:
            """What it says of that is not looked at."""

        await self.app({"type": "lifespan", "state": {}}, receive, send)

    async def answer(
        self, path: str, body: str | None, headers: Mapping[str, str]
    ) -> list[object] | None:
        """Ask it, as an HTTP server does."""
        amid = (part("{", more=True), LEFT)
        exchange = Exchange(*(amid if body is None else (part(body),)))
        given = {"content-type": "application/json", **headers}
        await exchange.put(self.app, "GET" if body == "" else "POST", path, given)
        if not exchange.status:
            self.settle()
            return None
        if exchange.status != 200 or body == "":
            self.settle()
        return [exchange.status, exchange.headers, json.loads(exchange.text)]


async def main() -> None:
    """Ask all of it at once."""
    questions = json.load(sys.stdin)
    server = Server(len(questions))
    await server.begin()
    before = generate_latest().decode()
    answers = await asyncio.gather(*(server.answer(*question) for question in questions))
    json.dump([answers, [before, generate_latest().decode()]], sys.stdout)


if __name__ == "__main__":
    log.configure("warning")
    asyncio.run(main())
