"""A proxy in front of the API server that fails on purpose, in every way a network can."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from hack.cluster.layout import Layout
from hack.cluster.probe import client_context
from tests.bystander import LIMIT_SECONDS

Pass = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Pass], Awaitable[web.StreamResponse]]
"""What happens to a request; the second argument lets it through."""

_HOP = {"connection", "content-length", "host", "transfer-encoding", "keep-alive"}


def says(status: int, body: str, **headers: str) -> Fault:
    """An answer that the server never gave."""

    async def fault(_: web.Request, __: Pass) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return fault


BAD_GATEWAY = says(502, "<html>bad gateway</html>")


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


def late(when: asyncio.Event) -> Fault:
    """The server does it at once; its answer is held up until the event."""

    async def fault(_: web.Request, let_through: Pass) -> web.StreamResponse:
        answer = await let_through()
        await when.wait()
        return answer

    return fault


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
        agents: User-Agent of all requests.
        added: headers that each request gets on its way.
        watch_seconds: how long the server is asked to keep a watch; "" as the client says.
    """

    url: str = ""
    seen: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    added: Mapping[str, str] = field(default_factory=dict)
    watch_seconds: str = ""
    _rules: list[Rule] = field(default_factory=list)
    _streams: set[asyncio.BaseTransport] = field(default_factory=set)
    _frozen: set[asyncio.BaseTransport] = field(default_factory=set)
    _cutting: bool = False
    _answered: int = 0
    _outage: Rule | None = None
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

    def cut_off(self) -> None:
        """Drop all watches, and let no new one through until `restore`.

        They are reset: after some errors of a server the whole collection would be asked for.
        """
        self._outage = self.next(refused, is_watch, times=10**6)
        self._rules.insert(0, self._rules.pop())
        self.drop()

    def restore(self) -> None:
        """Let watches through again."""
        assert self._outage
        self._outage.left = 0

    def freeze(self) -> None:
        """Let nothing through any more on the watches that are open; they stay open."""
        self._frozen |= self._streams

    def cut(self) -> None:
        """End each open watch in the middle of its next line."""
        self._cutting = True

    @property
    def queries(self) -> list[dict[str, str]]:
        """What was asked with each request, in order."""
        return [dict(parse_qsl(each.partition("?")[2])) for each in self.seen]

    @property
    def watches(self) -> list[dict[str, str]]:
        """What was asked with each watch that goes on from somewhere, in order."""
        plain = [each for each in self.queries if "watch" in each]
        return [each for each in plain if "sendInitialEvents" not in each]

    @property
    def lists(self) -> list[dict[str, str]]:
        """What was asked with each request for a whole collection, in order."""
        return [
            each
            for each, said in zip(self.queries, self.seen, strict=True)
            if said.startswith("GET ")
            and ("watch" not in each or "sendInitialEvents" in each)
            and "continue" not in each
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a request, or for the beginning of a stream, that makes it true."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_asked(self, count: int) -> None:
        """Wait until that many watches, lists included, have been asked for."""
        await self.until(lambda: sum("watch" in each for each in self.queries) >= count)

    async def until_answered(self, count: int) -> None:
        """Wait until the server has carried out, or refused, that many requests."""
        await self.until(lambda: self._answered >= count)

    async def until_streaming(self) -> None:
        """Wait until a watch is open."""
        await self.until(lambda: bool(self._streams))

    async def handle(
        self, request: web.Request, session: aiohttp.ClientSession
    ) -> web.StreamResponse:
        """One request: the first rule that concerns it, or straight through."""
        self.seen.append(f"{request.method} {request.path_qs}")
        self.agents.append(request.headers["User-Agent"])
        self._changed.set()
        body, url = await request.read(), request.rel_url
        if self.watch_seconds and is_watch(request):
            url = url.update_query(timeoutSeconds=self.watch_seconds)

        async def let_through() -> web.StreamResponse:
            headers = {**_kept(request.headers), **self.added}
            async with session.request(request.method, url, data=body, headers=headers) as answer:
                if answer.status == 200 and is_watch(request):
                    return await self._pipe(request, answer)
                return web.Response(
                    status=answer.status, body=await answer.read(), headers=_kept(answer.headers)
                )

        try:
            for rule in self._rules:
                if rule.left and rule.concerns(request):
                    rule.left -= 1
                    return await rule.fault(request, let_through)
            return await let_through()
        finally:
            self._answered += 1
            self._changed.set()

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


def is_streamed_list(request: web.Request) -> bool:
    """Whether it asks for a watch that begins with the whole collection."""
    return "sendInitialEvents" in request.query


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
    """A proxy in plain HTTP; who comes without a token is the administrator."""
    party = layout.certificate("admin"), layout.key("admin")
    trusted = client_context(layout.ca_certificate, *party)
    nobody = ssl.create_default_context(cafile=str(layout.ca_certificate))
    target = f"https://127.0.0.1:{layout.ports.api_server}"
    proxy = Proxy()
    async with _session(target, trusted) as admin, _session(target, nobody) as others:

        async def handle(request: web.Request) -> web.StreamResponse:
            session = others if "Authorization" in request.headers else admin
            return await proxy.handle(request, session)

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


def _session(target: str, context: ssl.SSLContext) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        target,
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        read_bufsize=2**22,
    )
