"""What our contract asks of a server and vLLM's own has not, put in front of its routes.

`vllm serve --middleware=front.app.Front` does so. `POST /chat` and `GET /healthz` are answered by
what vLLM offers; of all else the fields are known, the places counted, and answers carry an id.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import StarletteHTTPException as HTTPException
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from front.asked import INNER_SCOPE, Inner, Refused, with_id
from front.completion import Completion
from front.fields import unknown_field
from front.launch import MODEL_VARIABLE
from front.places import Places, is_generating
from front.settings import front_settings
from serving.chat import ChatAnswer, ChatRequest
from serving.errors import InvalidRequest, NotReady, ServingError
from serving.faults import add_handlers, http_error, serving_error
from serving.guard import Application, Guard, Message, Receive, Scope, Send
from serving.incoming import whole_body, worked_out

OWN = frozenset({"/chat", "/healthz"})
CLOSED = "/v1/models"
"""A path that says nothing to who has no key."""
CHECKED = frozenset({"/v1/completions", "/v1/chat/completions"})
"""Where fields are known or refused: the paths of our contract that vLLM answers itself."""
REJECTED = Counter(
    "kaito_inference_requests_rejected", "Requests answered 429.", ("model_name", "engine")
)


class Front:
    """ASGI middleware."""

    def __init__(self, app: Application) -> None:
        waiting = front_settings((), os.environ).max_queue
        self._places = Places(app, waiting=waiting, rejected=REJECTED)
        self._inner = Inner(self._places)
        self._own = own_application(Routes(self._inner, os.environ.get(MODEL_VARIABLE, "")))
        # The key is the inner server's to ask for; here every answer gets the id of its request.
        self._guarded = Guard(self._answer, key="")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here, or let the request through."""
        if scope["type"] == "lifespan":
            self._places.series(scope["app"].state.vllm_config)
        await self._guarded(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._places(scope, receive, send)
        elif scope["path"] in OWN:
            await self._own({**scope, INNER_SCOPE: scope}, receive, send)
        else:
            request = Request({**scope, INNER_SCOPE: scope}, receive)
            try:
                await self._through(request, with_id(scope), send)
            except (ServingError, HTTPException) as error:
                response = await self._refusal(request, error)
                await response(scope, receive, send)
            except ClientDisconnect:
                # It left before all of its question was there: nobody waits for an answer.
                return

    async def _through(self, request: Request, scope: Scope, send: Send) -> None:
        """Pass a request on; one for a text only once all of it is there.

        Raises:
            InvalidRequest: it has a field that would be ignored.
            QueueFull: too many are under way.
            HTTPException: its body is too large.
        """
        receive: Receive = request.receive
        if is_generating(scope):
            body = await whole_body(request)
            if asked := asked_form(scope):
                field = await worked_out(body, partial(unknown_field, body, asked))
                if field:
                    raise InvalidRequest(f"{field}: unknown field", param=field)
            receive = again(body, receive)
        await self._places(scope, receive, send)

    async def _refusal(self, request: Request, error: ServingError | HTTPException) -> Any:
        """What is said instead of an answer: to who has no key, only that."""
        try:
            await self._inner.get(request, CLOSED)
        except Refused as refused:
            return await passed_on(request, refused)
        if isinstance(error, ServingError):
            return await serving_error(request, error)
        return await http_error(request, error)


def asked_form(scope: Scope) -> type[BaseModel] | None:
    """What vLLM reads the body of a request as; None where our contract asks nothing of it."""
    if scope["path"] not in CHECKED:
        return None
    routes = (one for one in scope["app"].routes if getattr(one, "path", "") == scope["path"])
    form: type[BaseModel] | None = next(
        (one.body_field.field_info.annotation for one in routes), None
    )
    return form


def again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for the next one who reads it; then whatever the client does."""
    left = [body]

    async def read() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return read


def own_application(routes: Routes) -> FastAPI:
    """The paths that are answered here, with the errors of our own server."""
    app = FastAPI(title="KAITO inference", openapi_url=None)
    app.post("/chat")(routes.chat)
    app.get("/healthz")(routes.healthz)
    add_handlers(app)
    app.add_exception_handler(Refused, passed_on)
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
