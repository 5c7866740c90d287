"""/healthz, /readyz and /metrics.

Alive means that the event loop turns and that no lease is overstayed; it never depends
on the API server, or an outage there would restart every operator at once. Ready means
that every informer has its first list, on the leader and on those that stand by; who of
them leads is told beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import prometheus_client
from aiohttp import web

from kaito.kube.certs import Certificate
from kaito.kube.client import Client
from kaito.kube.reviews import Reviewer
from kaito.kube.settings import ProcessSettings

Check = Callable[[], Sequence[str]]
"""What is wrong, a few words each; nothing when all is well."""


@dataclass(frozen=True, slots=True)
class Door:
    """What stands before /metrics.

    Attributes:
        certificate: shown to callers.
        reviewer: says who may come in.
    """

    certificate: Certificate
    reviewer: Reviewer

    @classmethod
    def of(cls, client: Client, settings: ProcessSettings, *, name: str) -> Door | None:
        """The door that the settings ask for; None for none."""
        if settings.metrics_access == "open":
            return None
        folder = settings.certificate_folder
        return cls(Certificate(folder, name=name, clock=client.clock), Reviewer(client))


@asynccontextmanager
async def served(
    *,
    host: str,
    ports: tuple[int, int],
    door: Door | None,
    alive: Check,
    ready: Check,
    remarks: Check,
) -> AsyncIterator[tuple[int, int]]:
    """Serve while the context is open.

    Args:
        host: address to listen on.
        ports: of /healthz and /readyz, and of /metrics; 0 picks a free one. Both may be the same
            where there is no door.
        door: stands before /metrics; None: plain HTTP, open to all.
        alive: what /healthz reports.
        ready: what /readyz reports.
        remarks: what /readyz says besides, and which makes nothing unready.

    Yields:
        The two ports.
    """
    health = web.Application()
    health.router.add_get("/healthz", _answer(alive, tuple))
    health.router.add_get("/readyz", _answer(ready, remarks))
    shared = ports[0] == ports[1] != 0 and door is None
    metrics = health if shared else web.Application()
    metrics.router.add_get("/metrics", _guarded(door) if door else _metrics)
    runners = [web.AppRunner(app, access_log=None) for app in dict.fromkeys((health, metrics))]
    try:
        sites = zip(runners, ports, (None, door), strict=False)
        bound = [await _listen(runner, host, port, at) for runner, port, at in sites]
        yield bound[0], bound[-1]
    finally:
        for runner in runners:
            await runner.cleanup()


def _answer(check: Check, remarks: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that says "ok", or 503 and what is wrong."""

    async def answer(_: web.Request) -> web.StreamResponse:
        wrong = check()
        lines = [*(wrong or ["ok"]), *remarks()]
        return web.Response(text="\n".join(lines) + "\n", status=503 if wrong else 200)

    return answer


async def _metrics(_: web.Request) -> web.StreamResponse:
    """All series of the process, in the text format."""
    return web.Response(
        body=prometheus_client.generate_latest(),
        headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
    )


def _guarded(door: Door) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that answers those alone who may read."""

    async def answer(request: web.Request) -> web.StreamResponse:
        door.certificate.refresh()
        verdict = await door.reviewer.verdict(request.headers.get("Authorization", ""))
        if verdict is not HTTPStatus.OK:
            return web.Response(text=f"{verdict.phrase}\n", status=verdict)
        return await _metrics(request)

    return answer


async def _listen(runner: web.AppRunner, host: str, port: int, door: Door | None) -> int:
    """Start listening; the port that it became."""
    await runner.setup()
    context = door.certificate.context if door else None
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    return int(runner.addresses[0][1])
