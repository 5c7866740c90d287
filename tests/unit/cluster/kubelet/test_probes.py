"""Probes: single checks over real sockets, and what several of them add up to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hack.cluster.kubelet.pod import Handler, Probe
from hack.cluster.kubelet.probes import Tally, Target, Verdict, port_number, watch
from tests.unit.cluster.kubelet.builders import container


async def answered(request: web.Request) -> web.StreamResponse:
    """A status that the path names, with the headers that came."""
    if request.path == "/never":
        await asyncio.Event().wait()
    return web.Response(status=int(request.path[1:]), text=request.headers.get("X-Probe", ""))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answered)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    assert server.port is not None
    yield server.port
    await server.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def executed(command: tuple[str, ...], timeout_seconds: float) -> tuple[int, str]:
    assert timeout_seconds > 0
    return (0, "") if command == ("true",) else (1, "it said no\n")


async def checked(http: aiohttp.ClientSession, handler: dict[str, object]) -> Verdict:
    target = Target("127.0.0.1", container(), executed, http)
    return await target.check(Handler.model_validate(handler), 0.5)


@pytest.mark.parametrize(("path", "good"), [("/200", 1), ("/302", 1), ("/404", 0), ("/500", 0)])
async def test_statuses_below_400_are_successes(
    http: aiohttp.ClientSession, port: int, path: str, good: int
) -> None:
    verdict = await checked(http, {"httpGet": {"path": path, "port": port}})

    assert verdict.ok is bool(good)


async def test_a_failure_says_what_the_server_said(http: aiohttp.ClientSession, port: int) -> None:
    headers = [{"name": "X-Probe", "value": "the model is loading"}]

    verdict = await checked(
        http, {"httpGet": {"path": "503", "port": port, "httpHeaders": headers}}
    )

    assert "503" in verdict.message
    assert "the model is loading" in verdict.message


async def test_no_answer_in_time_is_a_failure(http: aiohttp.ClientSession, port: int) -> None:
    verdict = await checked(http, {"httpGet": {"path": "/never", "port": port}})

    assert not verdict.ok
    assert "0.5 s" in verdict.message


async def test_an_open_port_is_a_success_and_a_closed_one_is_not(
    http: aiohttp.ClientSession, port: int
) -> None:
    assert (await checked(http, {"tcpSocket": {"port": port}})).ok
    assert not (await checked(http, {"tcpSocket": {"port": 1}})).ok


async def test_an_exit_code_of_0_is_a_success(http: aiohttp.ClientSession) -> None:
    assert (await checked(http, {"exec": {"command": ["true"]}})).ok
    assert await checked(http, {"exec": {"command": ["false"]}}) == Verdict(
        ok=False, message="it said no"
    )


async def test_a_kind_of_check_that_is_unknown_fails(http: aiohttp.ClientSession) -> None:
    assert not (await checked(http, {"grpc": {"port": 1}})).ok


def test_a_port_may_have_a_name() -> None:
    one = container(ports=[{"name": "http", "containerPort": 5000}])

    assert port_number(one, "http") == 5000
    assert port_number(one, 80) == 80
    assert port_number(one, "81") == 81
    with pytest.raises(ValueError, match="no port named"):
        port_number(one, "metrics")


def test_only_results_in_a_row_count() -> None:
    tally = Tally(success_threshold=2, failure_threshold=3)
    results = [False, False, True, False, False, False, False, True, True]

    reached = [tally.reached(ok=ok) for ok in results]

    assert reached == [False, False, False, False, False, True, True, False, True]


async def heard(probe: Probe, results: Sequence[bool], *, once: bool = False) -> list[bool]:
    """What a watcher is told while a probe finds these results."""
    left = list(results)
    told: list[bool] = []
    done = asyncio.Event()

    async def check() -> Verdict:
        if not left:
            # Whoever asks again has told of all that was before.
            done.set()
            await asyncio.Event().wait()
        return Verdict(ok=left.pop(0))

    task = asyncio.create_task(
        watch(probe, check, lambda verdict: told.append(verdict.ok), once=once)
    )
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for one in (task, waiting):
        one.cancel()
    return told


async def test_a_watcher_hears_of_results_that_reach_their_threshold() -> None:
    probe = Probe(period_seconds=0, failure_threshold=2)

    assert await heard(probe, [False, True, False, False, True]) == [True, False, True]


async def test_a_startup_probe_ends_with_its_first_success() -> None:
    probe = Probe(period_seconds=0, failure_threshold=3)

    assert await heard(probe, [False, False, True, True], once=True) == [True]
