"""What probes, Prometheus and `POST /chat` are answered."""

from __future__ import annotations

import time
from functools import partial
from importlib import metadata
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.chat import ChatAnswer, ChatRequest
from serving.chat_job import chat_job
from serving.errors import UnknownModel
from serving.incoming import CLIENT_GONE, unless_gone, whole_body, worked_out
from serving.job import BASE, Job
from serving.metrics import Metrics
from serving.worker import Worker


class Routes:
    """What each path does."""

    def __init__(self, worker: Worker, metrics: Metrics, model_name: str) -> None:
        self._worker = worker
        self._metrics = metrics
        self._model_name = model_name
        self._created = int(time.time())

    @property
    def names(self) -> tuple[str, ...]:
        """What a client may say as `model`; empty while that is not known."""
        adapters = self._worker.adapters
        return () if adapters is None else (self._model_name, *adapters)

    async def root(self) -> dict[str, str]:
        """Say that the process answers, whatever the model does."""
        return {"message": "Server is running"}

    async def healthz(self) -> dict[str, str]:
        """Say that the model is loaded; 503 until then."""
        self._worker.engine()
        return {"status": "Healthy"}

    async def version(self) -> dict[str, str]:
        """The library that generates, and its version."""
        return {"version": metadata.version("transformers"), "engine": "transformers"}

    async def metrics(self) -> Any:
        """Prometheus's text format."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def models(self) -> dict[str, Any]:
        """The model and its adapters."""
        self._worker.engine()
        return {"object": "list", "data": [self._card(name) for name in self.names]}

    async def model(self, name: str) -> dict[str, Any]:
        """The model, or one of its adapters."""
        self._worker.engine()
        if name not in self.names:
            raise UnknownModel(f"the model {name} does not exist", param="model")
        return self._card(name)

    async def chat(self, request: Request) -> Any:
        """Generate text after a prompt, or the next turn of a conversation."""
        engine = self._worker.engine()
        body = await whole_body(request)
        wanted = ChatRequest.model_validate_json(body)
        asked = partial(chat_job, wanted, engine.encoder, adapter=engine.merged)
        job = await worked_out(body, asked)
        text = await unless_gone(request, self._answer(wanted, job, request.state.request_id))
        if text is None:
            return Response(status_code=CLIENT_GONE)
        return ChatAnswer(Result=text)

    async def _answer(self, wanted: ChatRequest, job: Job, request_id: str) -> str:
        encoder = self._worker.engine().encoder
        ticket = self._worker.open([job], request_id=request_id)[0]
        try:
            written = [token async for piece in ticket for token in piece.token_ids]
        finally:
            ticket.close()
        echo = wanted.prompt if wanted.prompt and wanted.return_full_text else ""
        spaces = wanted.clean_up_tokenization_spaces
        return echo + encoder.written(job.token_ids, written, clean_up_spaces=spaces)

    def _card(self, name: str) -> dict[str, Any]:
        """One model as OpenAI's clients read it."""
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "kaito",
            "parent": None if name == self._model_name else self._model_name,
            "max_model_len": self._worker.engine().encoder.limits.context_tokens,
        }


def adapter_named(name: str, *, model_name: str, adapters: tuple[str, ...]) -> str:
    """The adapter that a request's `model` means.

    Raises:
        UnknownModel: neither the model nor an adapter has that name.
    """
    if name == model_name:
        return BASE
    if name not in adapters:
        known = ", ".join((model_name, *adapters))
        raise UnknownModel(f"model: {name} does not exist; there are: {known}", param="model")
    return name
