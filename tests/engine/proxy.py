"""A proxy in front of the API server that fails on purpose, in every way a network can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from hack.cluster.layout import Layout
from hack.cluster.probe import client_context

Pass = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Pass], Awaitable[web.StreamResponse]]
"""What happens to a request; the second argument lets it through."""

_HOP = {"connection", "content-length", "host", "transfer-encoding", "keep-alive"}


def says(status: int, body: str, **headers: str) -> Fault:
    """An answer that the server never gave."""

    async def fault(_: web.Request, __: Pass) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return fault


async def lost(request: web.Request, let_through: Pass) -> web.StreamResponse:
    """The server does it, and nobody hears of it."""
    answer = await let_through()
    assert request.transport
    request.transport.abort()
    return answer


async def refused(request: web.Request, _: Pass) -> web.StreamResponse:
    """The connection is reset before anything happens."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def unanswered(_: web.Request, __: Pass) -> web.StreamResponse:
    """A half-open link: the request goes nowhere."""
    await asyncio.Event().wait()
    raise web.HTTPNoContent


def after(act: Callable[[], Awaitable[None]]) -> Fault:
    """Something happens in the world before the request is let through."""

    async def fault(_: web.Request, let_through: Pass) -> web.StreamResponse:
        await act()
        return await let_through()

    return fault


@dataclass(slots=True)
class Rule:
    """A fault for the next requests of one sort."""

    concerns: Callable[[web.Request], bool]
    fault: Fault
    left: int


@dataclass(slots=True)
class Proxy:
    """The proxy's orders.

    Attributes:
        url: where it listens.
        seen: method and path with query of all requests.
    """

    url: str = ""
    seen: list[str] = field(default_factory=list)
    _rules: list[Rule] = field(default_factory=list)
    _streams: set[asyncio.BaseTransport] = field(default_factory=set)
    _frozen: set[asyncio.BaseTransport] = field(default_factory=set)
    _cutting: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self, fault: Fault, concerns: Callable[[web.Request], bool], times: int = 1) -> Rule:
        """Have the next requests of a sort fail."""
        rule = Rule(concerns, fault, times)
        self._rules.append(rule)
        return rule

    def drop(self) -> None:
        """Reset all open watches."""
        for transport in self._streams:
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    def freeze(self) -> None:
        """Let nothing through any more on the watches that are open; they stay open."""
        self._frozen |= self._streams

    def cut(self) -> None:
        """End each open watch in the middle of its next line."""
        self._cutting = True

    async def until_streaming(self) -> None:
        """Wait until a watch is open."""
        async with asyncio.timeout(10):
            while not self._streams:
                self._changed.clear()
                await self._changed.wait()

    async def handle(
        self, request: web.Request, session: aiohttp.ClientSession, target: str
    ) -> web.StreamResponse:
        """One request: the first rule that concerns it, or straight through."""
        self.seen.append(f"{request.method} {request.path_qs}")
        body = await request.read()

        async def let_through() -> web.StreamResponse:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
            async with session.request(
                request.method, target + request.path_qs, data=body, headers=headers
            ) as answer:
                if answer.status == 200 and is_watch(request):
                    return await self._pipe(request, answer)
                return web.Response(
                    status=answer.status, body=await answer.read(), headers=_kept(answer.headers)
                )

        for rule in self._rules:
            if rule.left and rule.concerns(request):
                rule.left -= 1
                return await rule.fault(request, let_through)
        return await let_through()

    async def _pipe(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_kept(answer.headers))
        await response.prepare(request)
        transport = request.transport
        assert transport
        self._streams.add(transport)
        self._changed.set()
        try:
            async for line in answer.content:
                if transport in self._frozen:
                    await asyncio.Event().wait()
                if self._cutting:
                    self._cutting = False
                    await response.write(line[: len(line) // 2])
                    break
                await response.write(line)
        finally:
            self._streams.discard(transport)
            self._frozen.discard(transport)
        return response


def is_watch(request: web.Request) -> bool:
    """Whether it asks for a stream."""
    return request.query.get("watch") == "true"


def is_further_page(request: web.Request) -> bool:
    """Whether it asks for the second page of a list, or a later one."""
    return "continue" in request.query


def is_method(method: str) -> Callable[[web.Request], bool]:
    """Requests of one method."""
    return lambda request: request.method == method


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP}


@asynccontextmanager
async def proxying(layout: Layout) -> AsyncIterator[Proxy]:
    """A proxy for the administrator, in plain HTTP."""
    party = layout.certificate("admin"), layout.key("admin")
    context = client_context(layout.ca_certificate, *party)
    target = f"https://127.0.0.1:{layout.ports.api_server}"
    proxy = Proxy()
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=2**22
    ) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await proxy.handle(request, session, target)

        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            proxy.drop()
            await runner.cleanup()
