"""The API in memory over real HTTP, for the tests of one module: watched, scripted, disturbed."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from kaito.kube.transport import Call
from tests.virtual import api
from tests.virtual.api import Stored
from tests.virtual.kinds import Address, address
from tests.virtual.watching import Watcher

Json = dict[str, object]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object

    @property
    def is_watch(self) -> bool:
        """Whether it asks for a stream."""
        return "watch" in self.query


def status(code: int, reason: str, **details: object) -> Json:
    """A Status object."""
    said = f"{reason} was said"
    return {"kind": "Status", "code": code, "reason": reason, "message": said, "details": details}


def refusal(code: int, reason: str, **details: object) -> Answer:
    """An answer that is a failure."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(status(code, reason, **details), status=code)

    return answer


def line(type: str, item: object) -> bytes:
    """One event of a watch."""
    return json.dumps({"type": type, "object": item}).encode() + b"\n"


def initial_end(version: int) -> bytes:
    """The bookmark at the end of a streamed list."""
    notes = {"k8s.io/initial-events-end": "true"}
    metadata = {"resourceVersion": str(version), "annotations": notes}
    return line("BOOKMARK", {"metadata": metadata})


@dataclass(slots=True)
class Api:
    """The server's state and what tests may do to it.

    Attributes:
        server: what it holds, and the answers that it gives by itself.
        seen: all requests, in order.
        instead: answers to give to the next requests that are not watches.
        instead_of_watch: answers to give to the next watches.
        tokens: accepted tokens; empty accepts everyone.
        page_limit: objects on a page, whatever the client asks for.
        streams_lists: watches that begin with a whole list are known here.
        muted: open watches are not told of changes; one that is opened later is.
    """

    url: str = ""
    server: api.Api = field(default_factory=lambda: _empty())
    seen: list[Seen] = field(default_factory=list)
    instead: deque[Answer] = field(default_factory=deque)
    instead_of_watch: deque[Answer] = field(default_factory=deque)
    tokens: set[str] = field(default_factory=set)
    page_limit: int = 500
    streams_lists: bool = False
    muted: bool = False
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[Watcher] = field(default_factory=set)

    @property
    def version(self) -> int:
        """Of the newest change."""
        return self.server.version

    @property
    def objects(self) -> Mapping[str, Json]:
        """All objects, by their paths."""
        return {
            _path(Address(kind, *key, "")): stored.item
            for kind, objects in self.server._objects.items()
            for key, stored in objects.items()
        }

    @property
    def lists(self) -> list[Seen]:
        """Requests for whole collections, without further pages."""
        reads = [each for each in self.seen if each.method == "GET"]
        return [each for each in reads if not each.is_watch and "continue" not in each.query]

    @property
    def watches(self) -> list[Seen]:
        """Requests for streams, but those for a kind of stream that is not known here."""
        return [each for each in self.seen if each.is_watch and not self._is_unknown(each)]

    def _is_unknown(self, seen: Seen) -> bool:
        return "sendInitialEvents" in seen.query and not self.streams_lists

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a request that makes the condition true."""
        async with asyncio.timeout(30):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_watched(self, count: int) -> None:
        """Wait until that many watches have ever been answered and one is open."""
        await self.until(lambda: len(self.watches) >= count and bool(self._open))

    def put(self, path: str, **fields: object) -> Json:
        """Make or change an object behind the client's back."""
        where = _address(path)
        old = self.server._objects[where.kind].get((where.namespace, where.name))
        kind = {"apiVersion": where.kind.api_version, "kind": where.kind.name}
        place = {"name": where.name, "namespace": where.namespace, "generation": 1}
        metadata = {**place, "uid": f"uid-{self.version + 1}"}
        item = {**(old.item if old else {**kind, "metadata": metadata}), **fields}
        item["metadata"] = {**metadata, **item["metadata"]}
        with self._telling():
            return self.server._store(where.kind, old, Stored(item, old.owners if old else {}))

    def remove(self, path: str) -> None:
        """Delete an object behind the client's back."""
        where = _address(path)
        old = self.server._objects[where.kind][where.namespace, where.name]
        with self._telling():
            self.server._remove(where.kind, old, old.item)

    def say(self, raw: bytes) -> None:
        """Send something to all open watches."""
        for watcher in self._open:
            watcher.lines.put_nowait(raw.rstrip(b"\n"))

    def end_watches(self) -> None:
        """Close all streams, as a restarting server does."""
        self.say(b"")

    def compact(self) -> None:
        """Forget all versions before the present one."""
        self.server.compact()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell open watches of a change, or nobody."""
        watchers = self.server._watchers
        if self.muted:
            self.server._watchers = {}
        try:
            yield
        finally:
            self.server._watchers = watchers

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        text = await request.text()
        seen = Seen(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=json.loads(text) if text else None,
        )
        self.seen.append(seen)
        self._arrived.set()
        try:
            return await self._answer(request, seen)
        finally:
            self._arrived.set()

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        token = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens and token not in self.tokens:
            return web.json_response(status(401, "Unauthorized"), status=401)
        if self._is_unknown(seen):
            return web.json_response(status(422, "Invalid"), status=422)
        scripted = self.instead_of_watch if seen.is_watch else self.instead
        if scripted:
            return await scripted.popleft()(request)
        if seen.is_watch:
            return await self._watch(request, seen)
        code, body = self.carry_out(seen)
        return web.json_response(body, status=code)

    def carry_out(self, seen: Seen) -> tuple[int, Json]:
        """Do what a request asks for; the code and body of the answer."""
        with self._telling():
            answer = self.server.answer(self._call(seen))
        return answer.code, answer.body

    def _call(self, seen: Seen) -> Call:
        query = dict(seen.query)
        if "limit" in query:
            query["limit"] = str(self.page_limit)
        body = None if seen.body is None else json.dumps(seen.body).encode()
        return Call(seen.method, seen.path, query, body, seen.headers.get("Content-Type", ""))

    async def _watch(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        watcher = self.server.watch(self._call(seen))
        response = web.StreamResponse()
        await response.prepare(request)
        self._open.add(watcher)
        self._arrived.set()
        try:
            while raw := await watcher.lines.get():
                await response.write(raw + b"\n")
        finally:
            self._open.discard(watcher)
            self.server.unwatch(watcher)
        return response


def _empty() -> api.Api:
    """A server whose versions are small numbers."""
    server = api.Api()
    server.version = server.oldest = 1
    return server


def _address(path: str) -> Address:
    """What a path names."""
    where = address(path)
    assert where, path
    return where


def _path(where: Address) -> str:
    """The path of an object."""
    space = f"/namespaces/{where.namespace}" if where.namespace else ""
    return f"{where.kind.prefix}{space}/{where.kind.plural}/{where.name}"


@asynccontextmanager
async def served() -> AsyncIterator[Api]:
    """A running server with nothing in it."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    server = TestServer(app)
    await server.start_server()
    api.url = str(server.make_url("")).rstrip("/")
    try:
        yield api
    finally:
        api.end_watches()
        await server.close()
