"""Checks of a running container, made again and again, and what their results add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from hack.cluster.kubelet.pod import Container, Handler, HttpGet, Probe, TcpSocket

SUCCESS_BELOW = 400
BODY_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found.

    Attributes:
        ok: it succeeded.
        message: why not, for the event.
    """

    ok: bool
    message: str = ""


Check = Callable[[], Awaitable[Verdict]]
Execute = Callable[[tuple[str, ...], float], Awaitable[tuple[int, str]]]
"""Runs a command in the container, for at most so many seconds: exit code and output."""


@dataclass(slots=True)
class Tally:
    """Counts results of a kind that follow each other.

    Attributes:
        success_threshold: successes in a row that make it good.
        failure_threshold: failures in a row that make it bad.
    """

    success_threshold: int
    failure_threshold: int
    _ok: bool = False
    _run: int = 0

    def reached(self, *, ok: bool) -> bool:
        """Count one result; whether there are enough of its kind in a row now."""
        self._run = self._run + 1 if ok == self._ok else 1
        self._ok = ok
        return self._run >= (self.success_threshold if ok else self.failure_threshold)


@dataclass(frozen=True, slots=True)
class Target:
    """What is checked.

    Attributes:
        address: loopback address of the pod.
        container: whose ports have names.
        execute: runs a command in it.
        http: session for requests.
    """

    address: str
    container: Container
    execute: Execute
    http: aiohttp.ClientSession

    async def check(self, handler: Handler, timeout_seconds: float) -> Verdict:
        """Make the check once; it never raises but for cancellation."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._check(handler, timeout_seconds)
        except TimeoutError:
            return Verdict(ok=False, message=f"no answer within {timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Verdict(ok=False, message=str(error) or type(error).__name__)

    async def _check(self, handler: Handler, timeout_seconds: float) -> Verdict:
        if handler.http_get is not None:
            return await self._get(handler.http_get)
        if handler.tcp_socket is not None:
            return await self._connect(handler.tcp_socket)
        if handler.exec is not None:
            code, output = await self.execute(handler.exec.command, timeout_seconds)
            return Verdict(ok=code == 0, message=output.strip())
        if handler.sleep is not None:
            await asyncio.sleep(handler.sleep.seconds)
            return Verdict(ok=True)
        return Verdict(ok=False, message="this kind of check is not supported here")

    async def _get(self, action: HttpGet) -> Verdict:
        host = action.host or self.address
        port = port_number(self.container, action.port)
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        url = f"{action.scheme.lower()}://{host}:{port}{path}"
        async with self.http.get(
            url, headers=_headers(action), allow_redirects=False, ssl=False
        ) as answer:
            if answer.status < SUCCESS_BELOW:
                return Verdict(ok=True)
            body = (await answer.text(errors="replace"))[:BODY_CHARACTERS]
            return Verdict(ok=False, message=f"HTTP status {answer.status}: {body}")

    async def _connect(self, action: TcpSocket) -> Verdict:
        port = port_number(self.container, action.port)
        _, writer = await asyncio.open_connection(action.host or self.address, port)
        writer.close()
        return Verdict(ok=True)


def port_number(container: Container, port: int | str) -> int:
    """The number of a port that a probe gives as number or name.

    Raises:
        ValueError: the container has no port of that name.
    """
    if isinstance(port, int):
        return port
    for one in container.ports:
        if one.name == port:
            return one.container_port
    if port.isdigit():
        return int(port)
    raise ValueError(f"container {container.name} has no port named {port!r}")


async def watch(
    probe: Probe,
    check: Check,
    on_result: Callable[[Verdict], None],
    *,
    once: bool = False,
) -> None:
    """Check again and again, and tell when a threshold is reached.

    Args:
        probe: how often, and how many make a result.
        check: one check.
        on_result: gets the verdict that reached a threshold, and each further one of its
            kind.
        once: return after the first good result, as a startup probe does.
    """
    tally = Tally(probe.success_threshold, probe.failure_threshold)
    await asyncio.sleep(probe.initial_delay_seconds)
    while True:
        verdict = await check()
        if tally.reached(ok=verdict.ok):
            on_result(verdict)
            if verdict.ok and once:
                return
        await asyncio.sleep(probe.period_seconds)


def _headers(action: HttpGet) -> Mapping[str, str]:
    given = {header.name: header.value for header in action.http_headers}
    return {"User-Agent": "kube-probe/1.0", "Accept": "*/*"} | given
