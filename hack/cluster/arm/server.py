"""The HTTPS server: ARM at every path, and a local door at /local/.

Nobody needs a token for /local/, where the process kubelet learns which VMs exist and where
people script failures. It is on loopback only, and no part of ARM.

    GET /local/instances?since=REVISION&wait=SECONDS   answers when the revision is another one
    GET /local/scenario, PUT /local/scenario           what goes wrong
    GET /local/journal?since=LINES                     every request so far
    GET /local/health                                  200
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

from aiohttp import web
from pydantic import JsonValue, ValidationError

from hack.cluster.arm.exchange import DROPPED, Request
from hack.cluster.arm.faults import Scenario
from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.settings import Settings

LONGEST_WAIT_SECONDS = 60.0
SHUTDOWN_SECONDS = 2.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Handlers:
    """What the server does with each HTTP request."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._changed = asyncio.Event()
        self._closing = False

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/local/instances", self.instances),
                web.get("/local/scenario", self.scenario),
                web.put("/local/scenario", self.play),
                web.get("/local/journal", self.journal),
                web.get("/local/health", self.health),
                web.route("*", "/{path:.*}", self.arm),
            ]
        )
        application.on_shutdown.append(self._close)
        return application

    async def arm(self, request: web.Request) -> web.StreamResponse:
        """Hand a request to ARM."""
        before = self._door.revision()
        answer = self._door.answer(
            Request(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
        if self._door.revision() != before:
            self._wake()
        if answer is DROPPED:
            return _dropped(request)
        headers = {**answer.headers, **_correlation(request)}
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        return web.json_response(answer.body, status=answer.status, headers=headers)

    async def instances(self, request: web.Request) -> web.StreamResponse:
        """Answer which VMs exist, at once or when that changes."""
        try:
            since = int(request.query.get("since", "-1"))
            wait = min(float(request.query.get("wait", "0")), LONGEST_WAIT_SECONDS)
        except ValueError:
            return _refused("since must be a whole number and wait a number of seconds")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while self._door.revision() == since and not self._closing:
            left = deadline - loop.time()
            if left <= 0:
                break
            await self._change(within=left)
        return web.json_response(self._door.instances())

    async def scenario(self, request: web.Request) -> web.StreamResponse:
        """Answer what is to go wrong, and how often each rule has fired."""
        scenario, fired = self._door.scenario()
        body = scenario.model_dump(mode="json", by_alias=True)
        fired_by_rule = [fired.get(place, 0) for place in range(len(scenario.rules))]
        return web.json_response({**body, "fired": fired_by_rule})

    async def play(self, request: web.Request) -> web.StreamResponse:
        """Replace what is to go wrong."""
        try:
            scenario = Scenario.model_validate_json(await request.read())
        except ValidationError as error:
            return _refused(str(error))
        self._door.play(scenario)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def journal(self, request: web.Request) -> web.StreamResponse:
        """Answer the journal, or what came after the lines that the caller knows."""
        since = request.query.get("since", "0")
        if not since.isdecimal():
            return _refused("since must be a number of lines")
        requests = self._door.journal(since=int(since))
        return web.json_response({"count": int(since) + len(requests), "requests": requests})

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Say that the server is there."""
        return web.json_response({"status": "ok"})

    async def _change(self, *, within: float) -> None:
        """Wait until a pool may have changed, by a request or by itself, or time is up."""
        due = self._door.seconds_to_change()
        seconds = within if due is None else min(within, due)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _close(self, application: web.Application) -> None:
        self._closing = True
        self._wake()


@asynccontextmanager
async def serving(settings: Settings, door: FrontDoor) -> AsyncIterator[str]:
    """Serve until the block is left; its value is the server's https://host:port.

    The same is in the file arm/url from the moment the server listens until it stops.
    """
    runner = web.AppRunner(
        Handlers(door).application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    url_file = settings.folder / "url"
    url_file.unlink(missing_ok=True)  # of a server that was killed
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=_tls(settings))
        await site.start()
        root = f"https://{settings.host}:{runner.addresses[0][1]}"
        door.opened(root)
        _publish(url_file, root)
        yield root
    finally:
        url_file.unlink(missing_ok=True)
        await runner.cleanup()
        door.close()


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.certificate, settings.key)
    return context


def _publish(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    scratch.write_text(f"{text}\n")
    scratch.replace(path)


def _dropped(request: web.Request) -> web.Response:
    """Close the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _correlation(request: web.Request) -> dict[str, str]:
    identifier = str(uuid4())
    return {
        "Cache-Control": "no-cache",
        "x-ms-request-id": identifier,
        "x-ms-correlation-request-id": request.headers.get(
            "x-ms-correlation-request-id", identifier
        ),
    }


def _refused(message: str) -> web.Response:
    body: dict[str, JsonValue] = {"error": message}
    return web.json_response(body, status=HTTPStatus.BAD_REQUEST)
