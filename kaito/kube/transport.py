"""HTTP to the API server: sessions, deadlines, throttling, credentials on each request.

Answers that go on are carried by aiohttp, those that come whole by connections of our own; through
a proxy, aiohttp carries all. Lease requests have connections of their own, so that a renewal never
waits behind a list and a dead connection of one kind does not hold up the other. A proxy is the one
that the kubeconfig names as `proxy-url`; those of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from kaito.kube.answers import failure
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.connections import Address, Connections
from kaito.kube.deadlines import Deadlines
from kaito.kube.errors import KubeError, Throttled, Unavailable
from kaito.kube.framing import Answer
from kaito.kube.heads import Head, target
from kaito.kube.once import once
from kaito.kube.traffic import Traffic

_DEADLINE_SECONDS = 30.0
_LEASE_DEADLINE_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_LEASE_CONNECTIONS = 2
_ATTEMPTS = 10
_LEAST_WAIT_SECONDS = 0.05
_LINE_LIMIT_BYTES = 32 * 2**20
_ONE_ANSWER = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
_NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)


class Authorization(Protocol):
    """Where the Authorization header comes from."""

    async def header(self, *, refused: str | None = None) -> str:
        """The header's value, "" for none; never again the `refused` one if there is a newer."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server is, and how to be believed there.

    Attributes:
        url: scheme, host and port, without a slash at the end.
        authorization: tokens; client certificates are in `tls`.
        tls: None for plain HTTP.
        proxy: URL of an HTTP proxy, "" for none.
        server_name: name that the server's certificate must carry, "" for the host's.
    """

    url: str
    authorization: Authorization
    tls: ssl.SSLContext | None = None
    proxy: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before credentials."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"


class Wire(Protocol):
    """Whatever carries calls to an API server; every failure comes out as a KubeError."""

    async def send(self, call: Call) -> bytes:
        """The body of the answer."""
        ...

    def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The lines of an answer that goes on."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True, slots=True)
class _Lane:
    """Connections that share a purpose."""

    session: aiohttp.ClientSession
    connections: Connections | None
    slots: asyncio.Semaphore
    deadlines: Deadlines
    attempts: int

    async def close(self) -> None:
        """Close all of them."""
        if self.connections:
            self.connections.close()
        await self.session.close()


class Transport:
    """Sends calls; every failure comes out as a KubeError."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        max_in_flight: int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._traffic = Traffic(endpoint.url.partition("://")[2])
        headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            # gzip costs both sides more than it saves inside one network.
            "Accept-Encoding": "identity",
        }
        self._head = Head(endpoint.url, headers)
        self._lane = _Lane(
            _session(headers, limit=0),
            _connections(endpoint),
            asyncio.Semaphore(max_in_flight),
            Deadlines(_DEADLINE_SECONDS),
            _ATTEMPTS,
        )
        self._lease_lane = _Lane(
            _session(headers, limit=_LEASE_CONNECTIONS),
            _connections(endpoint),
            asyncio.Semaphore(_LEASE_CONNECTIONS),
            Deadlines(_LEASE_DEADLINE_SECONDS),
            1,
        )

    async def send(self, call: Call) -> bytes:
        """The body of the answer.

        Raises:
            KubeError: of the class that the answer calls for; Unavailable when there was
                none within the deadline. A write without an answer may have happened.
        """
        lane = self._lease_lane if "/coordination.k8s.io/" in call.path else self._lane
        try:
            with lane.deadlines.begin() as deadline:
                return await self._send(lane, call, deadline.at)
        except TimeoutError as error:
            message = f"{call.method} {call.path}: none within {lane.deadlines.seconds:g} s"
            raise Unavailable(0, "NoAnswer", message) from error

    @asynccontextmanager
    async def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that goes on.

        Args:
            call: the request.
            idle_seconds: silence after which the connection counts as dead.
            total_seconds: the longest that the whole answer may take.

        Raises:
            KubeError: at the start, or later out of the iterator.
        """
        limits = aiohttp.ClientTimeout(
            total=total_seconds, sock_connect=_CONNECT_SECONDS, sock_read=idle_seconds
        )
        authorization = await self._endpoint.authorization.header()
        response = await self._open(call, authorization, limits)
        if response.status == HTTPStatus.UNAUTHORIZED:
            response.close()
            fresh = await self._endpoint.authorization.header(refused=authorization)
            response = await self._open(call, fresh, limits)
        try:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise failure(response.status, await _body(response), response.headers)
            yield _lines(response)
        finally:
            response.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._lane.close()
        await self._lease_lane.close()

    async def _send(self, lane: _Lane, call: Call, deadline: float) -> bytes:
        """Send until the server no longer asks to be asked again, or time is up."""
        for _ in range(lane.attempts - 1):
            try:
                return await self._attempt(lane, call)
            except (Throttled, Unavailable) as error:
                if error.retry_after_seconds is None:
                    raise
                wait = max(error.retry_after_seconds, _LEAST_WAIT_SECONDS)
                if asyncio.get_running_loop().time() + wait >= deadline:
                    raise
                self._traffic.retried(call.method, str(error.status))
                await asyncio.sleep(self._clock.between(wait, 1.1 * wait))
        return await self._attempt(lane, call)

    async def _attempt(self, lane: _Lane, call: Call) -> bytes:
        asked = asyncio.get_running_loop().time()
        async with lane.slots:
            self._traffic.waited(call.method, asyncio.get_running_loop().time() - asked)
            authorization = await self._endpoint.authorization.header()
            answer = await self._exchange(lane, call, authorization)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                # The token may have been rotated since it was read: ask its source again.
                fresh = await self._endpoint.authorization.header(refused=authorization)
                answer = await self._exchange(lane, call, fresh)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise failure(answer.status, answer.body, answer.headers)
        return answer.body

    async def _exchange(self, lane: _Lane, call: Call, authorization: str) -> Answer:
        """One request and the whole of its answer."""
        started = asyncio.get_running_loop().time()
        code = "<error>"
        try:
            if lane.connections:
                request = self._head.of(call, authorization) + (call.body or b"")
                is_read = call.method == "GET"
                answer = await lane.connections.exchange(request, repeatable=is_read)
            else:
                answer = await self._exchange_by_proxy(lane, call, authorization)
            code = str(answer.status)
            self._traffic.carried(
                call.method, sent=len(call.body or b""), received=len(answer.body)
            )
        except _NETWORK_ERRORS as error:
            raise _unanswered(call, error) from error
        finally:
            self._traffic.answered(call.method, code)
            self._traffic.took(call.method, asyncio.get_running_loop().time() - started)
        return answer

    async def _exchange_by_proxy(self, lane: _Lane, call: Call, authorization: str) -> Answer:
        response = await self._begin(lane, call, authorization, _ONE_ANSWER)
        body = await response.read()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body, keeps=True)

    async def _open(
        self, call: Call, authorization: str, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """One request whose answer is read by the caller."""
        code = "<error>"
        try:
            response = await self._begin(self._lane, call, authorization, limits)
            code = str(response.status)
        except _NETWORK_ERRORS as error:
            raise _unanswered(call, error) from error
        finally:
            self._traffic.answered(call.method, code)
        return response

    async def _begin(
        self, lane: _Lane, call: Call, authorization: str, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        headers = {"Content-Type": call.content_type} if call.body is not None else {}
        if authorization:
            headers["Authorization"] = authorization
        return await lane.session.request(
            call.method,
            URL(f"{self._endpoint.url}{target(call)}", encoded=True),
            data=call.body,
            headers=headers,
            ssl=self._endpoint.tls or True,
            proxy=self._endpoint.proxy or None,
            server_hostname=self._endpoint.server_name or None,
            allow_redirects=False,
            timeout=limits,
        )


def _connections(endpoint: Endpoint) -> Connections | None:
    """Connections to the server itself; None where there is a proxy in between."""
    if endpoint.proxy:
        return None
    parts = urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    tls = endpoint.tls or (ssl.create_default_context() if parts.scheme == "https" else None)
    return Connections(Address(parts.hostname or "", port, tls, endpoint.server_name))


def _session(headers: Mapping[str, str], *, limit: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        middlewares=(once,),
        trust_env=False,
    )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """What a failed stream still says, if it does."""
    try:
        return await response.read()
    except _NETWORK_ERRORS:
        return b""


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines; a last one that was cut off is dropped with the error that cut it."""
    pending = bytearray()
    try:
        async for chunk in response.content.iter_any():
            pending += chunk
            if b"\n" not in chunk:
                _check_length(pending)
                continue
            *lines, rest = bytes(pending).split(b"\n")
            pending = bytearray(rest)
            for line in lines:
                if line:
                    yield line
    except _NETWORK_ERRORS as error:
        raise Unavailable(0, "StreamBroken", _cause(error)) from error


def _check_length(pending: bytearray) -> None:
    if len(pending) > _LINE_LIMIT_BYTES:
        raise Unavailable(0, "LineTooLong", f"more than {_LINE_LIMIT_BYTES} bytes")


def _unanswered(call: Call, error: Exception) -> KubeError:
    return Unavailable(0, "NoAnswer", f"{call.method} {call.path}: {_cause(error)}")


def _cause(error: Exception) -> str:
    """What happened to a connection, without the library's view of it."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
