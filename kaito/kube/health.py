"""/healthz, /readyz and /metrics.

Alive means that the event loop turns and that no lease is overstayed; it never depends
on the API server, or an outage there would restart every operator at once. Ready means
that every informer has its first list, on the leader and on those that stand by; who of
them leads is told beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import prometheus_client
from aiohttp import web

Check = Callable[[], Sequence[str]]
"""What is wrong, a few words each; nothing when all is well."""


@asynccontextmanager
async def served(
    *,
    host: str,
    health_port: int,
    metrics_port: int,
    alive: Check,
    ready: Check,
    remarks: Check,
) -> AsyncIterator[tuple[int, int]]:
    """Serve while the context is open; both may share one port.

    Args:
        host: address to listen on.
        health_port: of /healthz and /readyz; 0 picks a free one.
        metrics_port: of /metrics; 0 picks a free one.
        alive: what /healthz reports.
        ready: what /readyz reports.
        remarks: what /readyz says besides, and which makes nothing unready.

    Yields:
        The two ports.
    """
    health = web.Application()
    health.router.add_get("/healthz", _answer(alive, tuple))
    health.router.add_get("/readyz", _answer(ready, remarks))
    metrics = health if health_port == metrics_port != 0 else web.Application()
    metrics.router.add_get("/metrics", _metrics)
    runners = [web.AppRunner(app, access_log=None) for app in dict.fromkeys((health, metrics))]
    try:
        ports = [
            await _listen(runner, host, port)
            for runner, port in zip(runners, (health_port, metrics_port), strict=False)
        ]
        yield ports[0], ports[-1]
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


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Start listening; the port that it became."""
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return int(runner.addresses[0][1])
