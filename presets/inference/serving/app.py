"""The HTTP surface: which path is answered by what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI

from serving import described
from serving.completion_routes import CompletionRoutes
from serving.faults import add_handlers
from serving.guard import Guard
from serving.metrics import Metrics
from serving.routes import Routes
from serving.worker import Worker


def application(
    worker: Worker,
    metrics: Metrics,
    on_failure: Callable[[str], None],
    *,
    model_name: str,
    api_key: str = "",
) -> FastAPI:
    """The ASGI application; the model begins to load when it starts.

    Args:
        worker: not yet started.
        metrics: what `GET /metrics` shows.
        on_failure: called with the reason when the model cannot be loaded, or breaks off.
        model_name: how clients call the model without an adapter.
        api_key: what a client has to know; empty for none.
    """
    app = FastAPI(
        title="KAITO inference",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan(worker, on_failure),
    )
    routes = Routes(worker, metrics, model_name)
    add_routes(app, routes)
    completions = CompletionRoutes(worker, model_name)
    app.post("/v1/chat/completions", **described.CHAT_COMPLETION)(completions.chat)
    app.post("/v1/completions", **described.COMPLETION)(completions.completion)
    add_handlers(app)
    app.add_middleware(Guard, key=api_key)
    app.openapi = lambda: described.schema(app, routes.names)
    return app


def add_routes(app: FastAPI, routes: Routes) -> None:
    """Add everything but OpenAI's completions."""
    loading = {HTTPStatus.SERVICE_UNAVAILABLE: described.ERROR}
    app.get("/")(routes.root)
    for path in ("/healthz", "/health"):
        app.get(path, responses=loading, operation_id=path[1:])(routes.healthz)
    app.get("/version")(routes.version)
    app.get("/metrics", **described.METRICS)(routes.metrics)
    app.get("/v1/models", responses=described.GUARDED)(routes.models)
    app.get("/v1/models/{name}", responses=described.NAMED)(routes.model)
    app.post("/chat", **described.CHAT)(routes.chat)


def lifespan(
    worker: Worker, on_failure: Callable[[str], None]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Starts the worker with the application."""

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        worker.start(on_failure)
        yield

    return run
