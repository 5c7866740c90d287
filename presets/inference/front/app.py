"""What our contract asks of a server and vLLM's own has not, put in front of its routes.

`vllm serve --middleware=front.app.Front` does so. `POST /chat`, `GET /healthz` and each model of
`/v1/models` are answered by what vLLM offers; of the other paths of our contract the fields are
known, the places counted, and answers carry an id. No other path is let through.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import StarletteHTTPException as HTTPException
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from pydantic import BaseModel

from front.asked import INNER_SCOPE, Inner, Refused, with_id
from front.completion import Completion
from front.fields import INSTEAD, field_without_effect, fields_of, unknown_field
from front.launch import MODEL_VARIABLE
from front.paths import MODELS, PASSED, is_generating, is_own, path_of
from front.places import TEXTS_SCOPE, Places
from front.settings import front_settings
from front.texts import texts_asked
from serving.chat import ChatAnswer, ChatRequest
from serving.errors import InvalidRequest, NotReady, ServingError, UnknownModel
from serving.faults import add_handlers, http_error, serving_error
from serving.guard import OPEN_PATHS, Application, Guard, Message, Receive, Scope, Send
from serving.incoming import whole_body, worked_out

KEY_VARIABLE = "VLLM_API_KEY"
"""Where vLLM finds its key when its command line has none."""
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
        if scope["type"] == "websocket":
            # Our contract has none, and vLLM's generates past all that is asked here.
            await send({"type": "websocket.close"})
        elif scope["type"] != "http":
            await self._places(scope, receive, send)
        else:
            request = Request({**scope, INNER_SCOPE: scope}, receive)
            try:
                await self._ask_key(request)
                if is_own(path_of(scope)):
                    await self._own(request.scope, receive, send)
                else:
                    await self._through(request, with_id(scope), send)
            except (Refused, ServingError, HTTPException) as error:
                response = await refusal(request, error)
                await response(scope, receive, send)

    async def _ask_key(self, request: Request) -> None:
        """Have vLLM look at the key before anything is read, counted or told.

        Raises:
            Refused: it is missing or wrong.
        """
        is_open = request.method == "OPTIONS" or path_of(request.scope) in OPEN_PATHS
        if not is_open and has_key(request.scope):
            await self._inner.get(request, MODELS)

    async def _through(self, request: Request, scope: Scope, send: Send) -> None:
        """Pass a request on; one for a text only once all of it is there.

        Raises:
            InvalidRequest: it has a field that would be ignored, or asks for too many texts.
            QueueFull: too many are under way.
            HTTPException: its body is too large, or there is no such path.
        """
        if path_of(scope) not in PASSED:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        receive: Receive = request.receive
        if is_generating(scope):
            body = await whole_body(request)
            texts = await worked_out(body, partial(texts_in, body, asked_form(scope)))
            scope = {**scope, TEXTS_SCOPE: texts}
            receive = again(body, receive)
        await self._places(scope, receive, send)


async def refusal(request: Request, error: Refused | ServingError | HTTPException) -> Any:
    """What is said instead of an answer."""
    if isinstance(error, Refused):
        return await passed_on(request, error)
    if isinstance(error, ServingError):
        return await serving_error(request, error)
    return await http_error(request, error)


def has_key(scope: Scope) -> bool:
    """Whether vLLM was given a key to ask for."""
    return bool(scope["app"].state.args.api_key or os.environ.get(KEY_VARIABLE))


def texts_in(body: bytes, asked: type[BaseModel] | None) -> int:
    """How many texts a body asks for.

    Args:
        body: of the request.
        asked: what its path reads it as; None where vLLM has no such path for this model.

    Raises:
        InvalidRequest: it has a field that would be ignored.
    """
    fields = fields_of(body)
    if asked and (field := unknown_field(fields, asked)):
        raise InvalidRequest(f"{field}: unknown field", param=field)
    if field := field_without_effect(fields):
        raise InvalidRequest(f"{field} has no effect: {INSTEAD[field]} instead", param=field)
    return texts_asked(fields)


def asked_form(scope: Scope) -> type[BaseModel] | None:
    """What vLLM reads the body of a request as; None where it has no such path."""
    path = path_of(scope)
    routes = (one for one in scope["app"].routes if getattr(one, "path", "") == path)
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
    app.get(f"{MODELS}/{{name:path}}")(routes.model)
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

    async def model(self, request: Request, name: str) -> Mapping[str, object]:
        """Say what is served under a name."""
        served = json.loads(await self._inner.get(request, MODELS))["data"]
        found: list[Mapping[str, object]] = [one for one in served if one["id"] == name]
        if not found:
            raise UnknownModel(f"the model {name} does not exist", param="model")
        return found[0]

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
