"""As much of an API server as one pod needs, over real HTTP: it remembers what it is told."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from hack.cluster.kubelet.pod import Pod

Json = dict[str, object]

TOKEN_SECONDS = 3600


@dataclass(slots=True)
class PodsApi:
    """Holds one pod and the objects that it names.

    Attributes:
        pod: in wire form, as the last write left it.
        history: each status that was written.
        objects: ConfigMaps, Secrets and volumes by path.
        tokens: bodies of all token requests.
        deleted: body of the last DELETE, None before it.
    """

    url: str = ""
    pod: Json = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)
    objects: dict[str, Json] = field(default_factory=dict)
    tokens: list[Json] = field(default_factory=list)
    deleted: Json | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def config_map(self, name: str, **data: str) -> None:
        """Make a ConfigMap."""
        self.objects[f"/api/v1/namespaces/default/configmaps/{name}"] = {"data": data}

    def secret(self, name: str, **data: str) -> None:
        """Make a Secret."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.objects[f"/api/v1/namespaces/default/secrets/{name}"] = {"data": encoded}

    def claim(self, name: str, folder: str) -> None:
        """Make a claim that is bound to a folder."""
        claims = "/api/v1/namespaces/default/persistentvolumeclaims"
        self.objects[f"{claims}/{name}"] = {"spec": {"volumeName": f"of-{name}"}}
        volume: Json = {"spec": {"hostPath": {"path": folder}}}
        self.objects[f"/api/v1/persistentvolumes/of-{name}"] = volume

    def read(self) -> Pod:
        """The pod as a kubelet decodes it."""
        return Pod.model_validate(copy.deepcopy(self.pod))

    def ask_deletion(self, *, grace_seconds: int) -> Pod:
        """What DELETE does to a bound pod: it is marked, and stays."""
        metadata = self.pod["metadata"]
        assert isinstance(metadata, dict)
        metadata["deletionTimestamp"] = datetime.now(UTC).isoformat()
        metadata["deletionGracePeriodSeconds"] = grace_seconds
        return self.read()

    async def until(self, condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Wait for a write that makes the condition true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        body = await request.json() if request.can_read_body else None
        answer = self._carry_out(request.method, request.path, body)
        self._changed.set()
        if answer is None:
            status = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "none"}
            return web.json_response(status, status=404)
        return web.json_response(answer)

    def _carry_out(self, method: str, path: str, body: Json | None) -> Json | None:
        if path.endswith("/token") and body is not None:
            return self._token(body)
        if path.endswith("/services"):
            return {"metadata": {"resourceVersion": "1"}, "items": []}
        if method == "PATCH" and body is not None:
            status = _without_none(body["status"])
            self.pod["status"] = status
            self.history.append(status)
            return self.pod
        if method == "DELETE":
            self.deleted = body
            return {"kind": "Status"}
        return self.objects.get(path)

    def _token(self, body: Json) -> Json:
        self.tokens.append(body)
        expires = datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS)
        return {
            "status": {
                "token": f"token-{len(self.tokens)}",
                "expirationTimestamp": expires.isoformat(),
            }
        }


def _without_none(value: Any) -> Any:
    """A patch's result where nothing was before: what it sets to null is not there."""
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_none(one) for one in value]
    return value


@asynccontextmanager
async def served() -> AsyncIterator[PodsApi]:
    """A running server."""
    api = PodsApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    server = TestServer(app)
    await server.start_server()
    api.url = str(server.make_url("")).rstrip("/")
    try:
        yield api
    finally:
        await server.close()
