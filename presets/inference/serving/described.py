"""The OpenAPI description: bodies that the routes read by themselves, and all refusals."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic import BaseModel

from serving.chat import ChatAnswer, ChatRequest
from serving.completions import ChatCompletionRequest, CompletionRequest
from serving.errors import body

REFERENCE = "#/components/schemas/{model}"
BODIES: tuple[type[BaseModel], ...] = (ChatRequest, ChatCompletionRequest, CompletionRequest)

ERROR: dict[str, Any] = {
    "description": "Refused; the message says why.",
    "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model="Error")}}},
}
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": list(body(message="", type="", code=0)["error"]),
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "integer"},
            },
        }
    },
}


EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string"}},
}


def refusals(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The ways to be refused."""
    return {int(status): ERROR for status in statuses}


GUARDED = refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
NAMED = GUARDED | refusals(HTTPStatus.NOT_FOUND)
ASKED = GUARDED | refusals(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def with_body(model: type[BaseModel]) -> dict[str, Any]:
    """The part of a path's description that says what its body is."""
    schema = {"$ref": REFERENCE.format(model=model.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def streaming(kind: str) -> dict[str, Any]:
    """An answer that is one object, or events."""
    return {
        "description": f"A {kind}, or its chunks as events.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": EVENT_SCHEMA},
        },
    }


CHAT: dict[str, Any] = {
    "response_model": ChatAnswer,
    "responses": ASKED | refusals(HTTPStatus.UNPROCESSABLE_ENTITY),
    "openapi_extra": with_body(ChatRequest),
}
CHAT_COMPLETION: dict[str, Any] = {
    "response_class": Response,
    "responses": {**ASKED, **NAMED, 200: streaming("chat completion")},
    "openapi_extra": with_body(ChatCompletionRequest),
}
COMPLETION: dict[str, Any] = {
    "response_class": Response,
    "responses": {**ASKED, **NAMED, 200: streaming("completion")},
    "openapi_extra": with_body(CompletionRequest),
}
METRICS: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
}


def schema(app: FastAPI, names: Sequence[str]) -> dict[str, Any]:
    """The OpenAPI description, with the bodies that the routes read by themselves.

    Args:
        app: its paths.
        names: what may be said as `model`; empty as long as that is not known.
    """
    described: dict[str, Any] = get_openapi(title=app.title, version="1", routes=app.routes)
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas["Error"] = ERROR_SCHEMA
    for model in BODIES:
        request = model.model_json_schema(ref_template=REFERENCE)
        schemas |= request.pop("$defs", {})
        schemas[model.__name__] = request
    if names:
        for model in (ChatCompletionRequest, CompletionRequest):
            schemas[model.__name__]["properties"]["model"] |= {"enum": list(names)}
        (parameter,) = described["paths"]["/v1/models/{name}"]["get"]["parameters"]
        parameter["schema"] |= {"enum": list(names)}
    return described
