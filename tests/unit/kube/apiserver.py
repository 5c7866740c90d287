"""An API server in memory, over real HTTP, as small as the engine's tests allow.

It keeps versions, optimistic locks, uids, pages and watches right, because those are what
the engine is about. Nothing is validated and patches only merge; the proof against a
real API server is elsewhere.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiohttp import web
from aiohttp.test_utils import TestServer

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


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the history."""

    version: int
    collection: str
    line: bytes


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


@dataclass(slots=True)
class Api:
    """The server's state and what tests may do to it.

    Attributes:
        seen: all requests, in order.
        instead: answers to give to the next requests that are not watches.
        instead_of_watch: answers to give to the next watches.
        tokens: accepted tokens; empty accepts everyone.
        page_limit: objects on a page, whatever the client asks for.
        streams_lists: watches that begin with a whole list are known here.
        muted: open watches are not told of changes; one that is opened later is.
    """

    url: str = ""
    version: int = 1
    oldest: int = 0
    objects: dict[str, Json] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    instead: deque[Answer] = field(default_factory=deque)
    instead_of_watch: deque[Answer] = field(default_factory=deque)
    tokens: set[str] = field(default_factory=set)
    page_limit: int = 500
    streams_lists: bool = False
    muted: bool = False
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _watchers: dict[asyncio.Queue[bytes], str] = field(default_factory=dict)

    @property
    def lists(self) -> list[Seen]:
        """Requests for whole collections, without further pages."""
        return [each for each in self._reads if not each.is_watch and "continue" not in each.query]

    @property
    def watches(self) -> list[Seen]:
        """Requests for streams, but those for a kind of stream that is not known here."""
        return [each for each in self.seen if each.is_watch and not self._is_unknown(each)]

    def _is_unknown(self, seen: Seen) -> bool:
        return "sendInitialEvents" in seen.query and not self.streams_lists

    @property
    def _reads(self) -> list[Seen]:
        return [each for each in self.seen if each.method == "GET"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a request that makes the condition true."""
        async with asyncio.timeout(5):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_watched(self, count: int) -> None:
        """Wait until that many watches have ever been answered and one is open."""
        await self.until(lambda: len(self.watches) >= count and bool(self._watchers))

    def put(self, path: str, **fields: object) -> Json:
        """Make or change an object behind the client's back."""
        old = self.objects.get(path)
        collection, _, name = path.rpartition("/")
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        metadata: Json = {"name": name, "namespace": namespace}
        return self._store(collection, path, {**(old or {"metadata": metadata}), **fields})

    def remove(self, path: str) -> None:
        """Delete an object behind the client's back."""
        item = self.objects.pop(path)
        self._record(path.rpartition("/")[0], "DELETED", item)

    def say(self, raw: bytes) -> None:
        """Send something to all open watches."""
        for queue in self._watchers:
            queue.put_nowait(raw)

    def end_watches(self) -> None:
        """Close all streams, as a restarting server does."""
        self.say(b"")

    def compact(self) -> None:
        """Forget all versions before the present one."""
        self.oldest = self.version
        self.history.clear()

    def _store(self, collection: str, path: str, item: Json) -> Json:
        old = self.objects.get(path)
        self.objects[path] = item
        self._record(collection, "MODIFIED" if old else "ADDED", item)
        return item

    def _record(self, collection: str, type: str, item: Json) -> None:
        self.version += 1
        metadata = item["metadata"]
        assert isinstance(metadata, dict)
        uid = metadata.get("uid") or f"uid-{self.version}"
        item["metadata"] = {**metadata, "uid": uid, "resourceVersion": str(self.version)}
        event = Event(self.version, collection, line(type, item))
        self.history.append(event)
        for queue, watched in self._watchers.items():
            if _covers(watched, collection) and not self.muted:
                queue.put_nowait(event.line)

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
        if seen.path.endswith("/status"):
            seen = replace(seen, path=seen.path.removesuffix("/status"))
        if seen.method == "POST":
            return self._create(seen)
        if seen.method == "GET" and seen.path not in self.objects:
            return self._list(seen)
        old = self.objects.get(seen.path)
        if seen.method == "GET" and old is not None:
            return 200, copy.deepcopy(old)
        if seen.method == "DELETE":
            return self._delete(seen, old)
        return self._write(seen, old)

    def _create(self, seen: Seen) -> tuple[int, Json]:
        assert isinstance(seen.body, dict)
        body = copy.deepcopy(seen.body)
        path = f"{seen.path}/{body['metadata']['name']}"
        if path in self.objects:
            return 409, status(409, "AlreadyExists")
        return 201, self._store(seen.path, path, body)

    def _list(self, seen: Seen) -> tuple[int, Json]:
        if not seen.path.endswith("s"):
            return 404, status(404, "NotFound")
        paths = sorted(path for path in self.objects if _covers(seen.path, path.rpartition("/")[0]))
        start = int(seen.query.get("continue", "0"))
        limit = self.page_limit if "limit" in seen.query else len(paths)
        metadata: Json = {"resourceVersion": str(self.version)}
        if start + limit < len(paths):
            metadata["continue"] = str(start + limit)
        items = [self.objects[path] for path in paths[start : start + limit]]
        return 200, {"metadata": metadata, "items": items}

    def _delete(self, seen: Seen, old: Json | None) -> tuple[int, Json]:
        if old is None:
            return 404, status(404, "NotFound")
        wanted = seen.body.get("preconditions", {}) if isinstance(seen.body, dict) else {}
        assert isinstance(old["metadata"], dict)
        if any(value != old["metadata"].get(key) for key, value in wanted.items()):
            return 409, status(409, "Conflict")
        self.remove(seen.path)
        return 200, status(200, "")

    def _write(self, seen: Seen, old: Json | None) -> tuple[int, Json]:
        if not isinstance(seen.body, dict):
            return 200, old or {}
        body = copy.deepcopy(seen.body)
        if old is None and "apply" not in seen.headers["Content-Type"]:
            return 404, status(404, "NotFound")
        before = old or {"metadata": {}}
        sent, kept = body.pop("metadata", {}), before["metadata"]
        assert isinstance(kept, dict)
        if sent.get("resourceVersion", kept.get("resourceVersion")) != kept.get("resourceVersion"):
            return 409, status(409, "Conflict")
        item = {**before, **body, "metadata": {**kept, **sent}}
        return 200, self._store(seen.path.rpartition("/")[0], seen.path, item)

    async def _watch(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        since = int(seen.query.get("resourceVersion", self.version))
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        if "sendInitialEvents" in seen.query:
            self._send_all(queue, seen.path)
        if since < self.oldest:
            queue.put_nowait(line("ERROR", status(410, "Expired")))
            queue.put_nowait(b"")
        for event in self.history:
            if event.version > since and _covers(seen.path, event.collection):
                queue.put_nowait(event.line)
        response = web.StreamResponse()
        await response.prepare(request)
        self._watchers[queue] = seen.path
        self._arrived.set()
        try:
            while raw := await queue.get():
                await response.write(raw)
        finally:
            del self._watchers[queue]
        return response

    def _send_all(self, queue: asyncio.Queue[bytes], path: str) -> None:
        """Everything that there is, and the word that this was it."""
        for each, item in sorted(self.objects.items(), reverse=True):
            if _covers(path, each.rpartition("/")[0]):
                queue.put_nowait(line("ADDED", item))
        queue.put_nowait(initial_end(self.version))


def initial_end(version: int) -> bytes:
    """The bookmark at the end of a streamed list."""
    notes = {"k8s.io/initial-events-end": "true"}
    metadata = {"resourceVersion": str(version), "annotations": notes}
    return line("BOOKMARK", {"metadata": metadata})


def _covers(watched: str, collection: str) -> bool:
    """Whether a collection is the watched one, or a namespace's part of it."""
    resource = watched.rpartition("/")[2]
    prefix = watched.removesuffix(f"/{resource}")
    return collection == watched or (
        collection.startswith(f"{prefix}/namespaces/") and collection.endswith(f"/{resource}")
    )


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
