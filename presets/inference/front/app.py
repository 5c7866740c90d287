"""`POST /chat` and `GET /healthz`, answered by what vLLM's own server offers.

`vllm serve --middleware=front.app.Front` puts it before that server's routes; every other path
goes through untouched.
"""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from front.asked import INNER_SCOPE, Inner, Refused
from front.completion import Completion
from front.launch import MODEL_VARIABLE
from serving.chat import ChatAnswer, ChatRequest
from serving.errors import NotReady
from serving.faults import add_handlers
from serving.guard import Application, Guard, Receive, Scope, Send
from serving.incoming import whole_body


class Front:
    """ASGI middleware."""

    def __init__(self, app: Application) -> None:
        self._app = app
        routes = Routes(Inner(app), os.environ.get(MODEL_VARIABLE, ""))
        self._own = own_application(routes)
        self._paths = {"/chat", "/healthz"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here, or let the request through."""
        if scope["type"] == "http" and scope["path"] in self._paths:
            await self._own({**scope, INNER_SCOPE: scope}, receive, send)
        else:
            await self._app(scope, receive, send)


def own_application(routes: Routes) -> FastAPI:
    """The paths that are answered here, with the errors of our own server."""
    app = FastAPI(title="KAITO inference", openapi_url=None)
    app.post("/chat")(routes.chat)
    app.get("/healthz")(routes.healthz)
    add_handlers(app)
    app.add_exception_handler(Refused, passed_on)
    # The key is the inner server's to ask for; here every answer gets the id of its request.
    app.add_middleware(Guard, key="")
    return app


class Routes:
    """What each path does."""

    def __init__(self, inner: Inner, model: str) -> None:
        self._inner = inner
        self._model = model

    async def healthz(self, request: Request) -> dict[str, str]:
        """Say that the model can be asked."""
        try:
            await self._inner.get(request, "/health")
        except Refused as refused:
            raise NotReady("the engine does not answer") from refused
        return {"status": "Healthy"}

    async def chat(self, request: Request) -> ChatAnswer:
        """Generate text after a prompt, or the next turn of a conversation."""
        wanted = ChatRequest.model_validate_json(await whole_body(request))
        completion = Completion(wanted, self._model)
        tokens = await self._inner.post(request, "/tokenize", completion.question())
        path, asked = completion.asked(tokens["tokens"], context_tokens=tokens["max_model_len"])
        return ChatAnswer(Result=completion.text(await self._inner.post(request, path, asked)))


async def passed_on(_: Request, refused: Refused) -> Any:
    """What the inner server refuses, in its own words."""
    return JSONResponse(refused.content, status_code=refused.status)
