"""One process: the order of start and stop, and what ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
import structlog
from aiohttp import web

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.lease import Elector
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from tests.unit.kube.apiserver import Api, refusal
from tests.unit.kube.builders import THINGS, path, ref

LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/kaito"
HOST = "127.0.0.1"


def manager(client: Client, elector: Elector | None = None) -> Manager:
    """A manager on free ports."""
    return Manager(client, elector=elector, host=HOST, health_port=0, metrics_port=0)


def rival(client: Client) -> Elector:
    """A quick elector."""
    each = Elector(client, Ref("default", "kaito"), "a", retry_seconds=0.01)
    each.watchdog = None
    return each


async def page(port: int, name: str) -> tuple[int, str]:
    """What one of our servers says."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{HOST}:{port}/{name}") as answer,
    ):
        return answer.status, await answer.text()


def holder(api: Api) -> object:
    """Who is in the lease."""
    spec = api.objects[LEASE]["spec"]
    assert isinstance(spec, dict)
    return spec["holderIdentity"]


async def test_c6_i8_controllers_start_with_what_exists_after_leadership(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec={})
    holders: asyncio.Queue[tuple[Ref, object]] = asyncio.Queue()

    async def reconcile(key: Ref) -> Outcome:
        holders.put_nowait((key, holder(api)))
        return DONE

    boss = manager(client, rival(client))
    controller = Controller("t", reconcile)
    controller.watch(boss.informer(THINGS), lambda each: [each.ref])
    boss.add(controller)
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        first = await holders.get()
        boss.stop()
        code = await running

    assert first == (ref("a"), "a")
    assert code == 0
    assert holder(api) == ""


async def test_c7_sigterm_lets_a_reconcile_end_before_the_lease_is_given_back(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec={})
    begun, may_end = asyncio.Event(), asyncio.Event()
    holders: list[object] = []

    async def reconcile(_: Ref) -> Outcome:
        begun.set()
        await may_end.wait()
        holders.append(holder(api))
        return DONE

    boss = manager(client, rival(client))
    controller = Controller("t", reconcile)
    controller.watch(boss.informer(THINGS), lambda each: [each.ref])
    boss.add(controller)
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await boss._stopping.wait()
        may_end.set()
        code = await running

    assert (code, holders, holder(api)) == (0, ["a"], "")


async def test_c8_a_lost_lease_ends_the_process_with_an_error(api: Api, client: Client) -> None:
    api.put(path("a"), spec={})
    begun, ended = asyncio.Event(), []

    async def reconcile(key: Ref) -> Outcome:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(key)
        return DONE

    boss = manager(client, rival(client))
    controller = Controller("t", reconcile)
    controller.watch(boss.informer(THINGS), lambda each: [each.ref])
    boss.add(controller)
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await begun.wait()
        api.put(LEASE, spec={"holderIdentity": "b", "leaseDurationSeconds": 15})
        code = await running

    assert (code, ended, holder(api)) == (1, [ref("a")], "b")


@pytest.mark.parametrize(
    "error",
    [None, ZeroDivisionError(), asyncio.CancelledError()],
    ids=["returns", "raises", "is cancelled from inside"],
)
async def test_c9_a_background_task_that_ends_by_itself_ends_the_process(
    api: Api, client: Client, error: BaseException | None
) -> None:
    async def sweep() -> None:
        if error:
            raise error

    boss = manager(client)
    boss.background("sweep", sweep)

    async with asyncio.timeout(30):
        assert await boss.run() == 1


async def test_c10_ready_means_that_every_informer_has_its_list(api: Api, client: Client) -> None:
    gate = asyncio.Event()
    started = asyncio.Event()

    async def slow(_: object) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    api.instead.append(slow)
    boss = manager(client)
    informer = boss.informer(THINGS)
    boss.background("told", _tell(started))
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await api.until(lambda: bool(api.seen))
        before = [await page(boss.ports[0], "readyz"), await page(boss.ports[0], "healthz")]
        gate.set()
        await informer.synced.wait()
        after = await page(boss.ports[0], "readyz")
        await started.wait()
        boss.stop()
        await running

    assert [code for code, _ in before] == [503, 200]
    assert "things" in before[0][1]
    assert after == (200, "ok\n")


async def test_metrics_carry_the_names_of_stock_dashboards(api: Api, client: Client) -> None:
    started = asyncio.Event()
    boss = manager(client)
    boss.add(Controller("stock", _nothing))
    boss.background("told", _tell(started))
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await started.wait()
        _, text = await page(boss.ports[1], "metrics")
        boss.stop()
        await running

    for name in (
        'controller_runtime_reconcile_total{controller="stock",result="success"} 0.0',
        'controller_runtime_reconcile_errors_total{controller="stock"} 0.0',
        'controller_runtime_max_concurrent_reconciles{controller="stock"} 4.0',
        'controller_runtime_active_workers{controller="stock"} 0.0',
        'workqueue_depth{controller="stock",name="stock",priority="0"} 0.0',
        'workqueue_adds_total{controller="stock",name="stock"} 0.0',
        'workqueue_retries_total{controller="stock",name="stock"} 0.0',
        'workqueue_unfinished_work_seconds{controller="stock",name="stock"} 0.0',
    ):
        assert name in text


async def _nothing(_: Ref) -> Outcome:
    """A reconcile with nothing to do."""
    return DONE


def _tell(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """A background task that says that it runs."""

    async def run() -> None:
        event.set()
        await asyncio.Event().wait()

    return run


async def test_c10_readiness_says_which_resource_cannot_be_listed_and_why(
    api: Api, client: Client
) -> None:
    asked_again, may_list = asyncio.Event(), asyncio.Event()

    async def held(_: object) -> web.StreamResponse:
        asked_again.set()
        await may_list.wait()
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    api.instead.extend([refusal(403, "Forbidden"), held])
    started = asyncio.Event()
    boss = manager(client)
    informer = boss.informer(THINGS)
    informer.patience.backoff = Backoff(first_seconds=0.01)
    boss.background("told", _tell(started))
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await asked_again.wait()
        before = [await page(boss.ports[0], "readyz"), await page(boss.ports[0], "healthz")]
        had_started = started.is_set()
        may_list.set()
        await started.wait()
        after = await page(boss.ports[0], "readyz")
        boss.stop()
        code = await running

    assert [code for code, _ in before] == [503, 200]
    assert "informer-things: 403 Forbidden" in before[0][1]
    assert (had_started, after, code) == (False, (200, "ok\n"), 0)


async def test_c10_ready_says_who_leads_and_what_else_is_waited_for(
    api: Api, client: Client
) -> None:
    trouble = ["the cloud refuses us"]
    boss = manager(client, rival(client))
    boss.informer(THINGS)
    boss.ready_when("cloud", lambda: trouble[0])
    led = asyncio.Event()
    boss.background("told", _tell(led))
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await led.wait()
        before = await page(boss.ports[0], "readyz")
        trouble[0] = ""
        after = await page(boss.ports[0], "readyz")
        boss.stop()
        await running

    assert before == (503, "cloud: the cloud refuses us\nlease: held\n")
    assert after == (200, "ok\nlease: held\n")


async def test_c8_a_lease_that_is_lost_during_a_stop_ends_its_grace(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec={})
    begun = asyncio.Event()

    async def reconcile(_: Ref) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return DONE

    boss = manager(client, rival(client))
    controller = Controller("t", reconcile)
    controller.watch(boss.informer(THINGS), lambda each: [each.ref])
    boss.add(controller)
    running = asyncio.create_task(boss.run())

    async with asyncio.timeout(30):
        await begun.wait()
        boss.stop()
        api.put(LEASE, spec={"holderIdentity": "b", "leaseDurationSeconds": 15})
        code = await running

    assert (code, holder(api)) == (1, "b")


async def test_c7_c9_an_orderly_end_is_nobody_s_fault(api: Api, client: Client) -> None:
    async def reconcile(_: Ref) -> Outcome:
        seen.set()
        return DONE

    seen = asyncio.Event()
    api.put(path("a"), spec={})
    boss = manager(client)
    controller = Controller("t", reconcile)
    controller.watch(boss.informer(THINGS), lambda each: [each.ref])
    boss.add(controller)
    boss.background("told", _tell(asyncio.Event()))
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(boss.run())
        async with asyncio.timeout(30):
            await seen.wait()
            boss.stop()
            code = await running

    assert code == 0
    assert [each["event"] for each in logs if each["log_level"] == "error"] == []
