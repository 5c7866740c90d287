"""The API in memory over HTTP: `python -m tests.virtual.served` prints its URL and serves.

It ends when its standard input does, so that it never outlives who started it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from kaito.kube.transport import Call
from tests.virtual.api import Api
from tests.virtual.watching import Watcher
from tests.virtual.wire import Refused

BOOKMARK_SECONDS = 60.0


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """The URL under which `api` answers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(api, request)

    app = web.Application(client_max_size=2**25)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    marking = asyncio.create_task(_mark(api))
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        marking.cancel()
        await runner.cleanup()


async def _answer(api: Api, request: web.Request) -> web.StreamResponse:
    call = Call(
        request.method,
        request.path,
        dict(request.query),
        await request.read() or None,
        request.content_type,
    )
    if call.params.get("watch") in ("true", "1"):
        return await _watch(api, call, request)
    found = api.answer(call)
    return web.Response(status=found.code, body=found.text, content_type="application/json")


async def _watch(api: Api, call: Call, request: web.Request) -> web.StreamResponse:
    try:
        watcher = api.watch(call)
    except Refused as refusal:
        return web.json_response(refusal.status, status=refusal.code)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(watcher.seconds):
                await _send(watcher, response)
    finally:
        api.unwatch(watcher)
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


async def _mark(api: Api) -> None:
    while True:
        await asyncio.sleep(BOOKMARK_SECONDS)
        api.bookmark()


async def _main() -> None:
    async with served(Api()) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
