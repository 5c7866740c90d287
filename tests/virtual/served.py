"""The API in memory over HTTP: `python -m tests.virtual.served` prints two URLs and serves.

The first is for whoever is watched or measured: its requests meet the faults that are asked for.
The second is for whoever watches, and takes orders as well: see `tests.virtual.orders`. The
process ends when its standard input does, so that it never outlives who started it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from kaito.kube.transport import Call
from tests.virtual.api import Api
from tests.virtual.discovery import discovered
from tests.virtual.faults import Faults
from tests.virtual.orders import Orders
from tests.virtual.watching import Watcher
from tests.virtual.wire import Refused

BOOKMARK_SECONDS = 60.0
_JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[tuple[str, str]]:
    """The URLs under which `api` answers: one with faults, and one with orders."""
    faults = Faults(api)
    front = Door(api, faults)
    back = Door(api, Faults(api), Orders(api, faults))
    runners = [
        web.ServerRunner(web.Server(door.answer, access_log=None), shutdown_timeout=0.1)
        for door in (front, back)
    ]
    marking = asyncio.create_task(_mark(api))
    try:
        front_url, back_url = [await _listen(runner) for runner in runners]
        yield front_url, back_url
    finally:
        marking.cancel()
        for runner in runners:
            await runner.cleanup()


class Door:
    """One way in."""

    def __init__(self, api: Api, faults: Faults, orders: Orders | None = None) -> None:
        self._api = api
        self._faults = faults
        self._orders = orders

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read() or None
        if self._orders and request.path.startswith("/local/"):
            order = json.loads(body or b"{}")
            return web.json_response(self._orders.carry_out(request.path[7:], order))
        told = discovered(request.path)
        if told is not None:
            return web.json_response(told)
        return await self._serve(request, body)

    async def _serve(self, request: web.BaseRequest, body: bytes | None) -> web.StreamResponse:
        query = request.query
        call = Call(
            request.method, request.path, dict(query) if query else {}, body, request.content_type
        )
        refusal = self._faults.refusal()
        if refusal:
            return web.json_response(
                refusal.status, status=refusal.code, headers=self._faults.headers
            )
        if call.params.get("watch") in ("true", "1"):
            return await self._watch(call, request)
        found = self._api.answer(call)
        return web.Response(status=found.code, body=found.text, headers=_JSON)

    async def _watch(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        try:
            watcher = self._api.watch(call)
        except Refused as refusal:
            return web.json_response(refusal.status, status=refusal.code)
        response = web.StreamResponse(headers=_JSON)
        try:
            with self._faults.open(watcher, request.transport), suppress(ConnectionError):
                await response.prepare(request)
                with suppress(TimeoutError):
                    async with asyncio.timeout(watcher.seconds):
                        await _send(watcher, response)
        finally:
            self._api.unwatch(watcher)
        return response


async def _send(watcher: Watcher, response: web.StreamResponse) -> None:
    """Send what there is to send, all that waits in one piece."""
    while line := await watcher.lines.get():
        lines = [line]
        while not watcher.lines.empty() and lines[-1]:
            lines.append(watcher.lines.get_nowait())
        await response.write(b"".join(line + b"\n" for line in lines if line))
        if not lines[-1]:
            return


async def _listen(runner: web.ServerRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _mark(api: Api) -> None:
    while True:
        await asyncio.sleep(BOOKMARK_SECONDS)
        api.bookmark()


async def _main() -> None:
    # The collector's pauses would be taken for the client's; this process is short-lived.
    gc.disable()
    async with served(Api()) as urls:
        sys.stdout.write("".join(f"{url}\n" for url in urls))
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
