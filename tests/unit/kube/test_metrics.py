"""What dashboards read: names, and that every series is there from the start."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import prometheus_client
import pytest

from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.errors import Unavailable
from kaito.kube.informer import Informer
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.reflector import Selection
from kaito.kube.stalls import watch_stalls
from kaito.kube.transport import Endpoint, Transport
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import THINGS, Anonymous, path, ref

# fmt: off
RECONCILE_SECONDS = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0,
    25.0, 30.0, 40.0, 50.0, 60.0,
]
QUEUE_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]
# fmt: on
"""Of controller-runtime's histogram of reconciles and its two of the workqueue."""


def value(sample: str, /, **labels: str) -> float | None:
    """A sample, None when there is none."""
    return prometheus_client.REGISTRY.get_sample_value(sample, labels)


async def nothing(_: Ref) -> Outcome:
    """A reconcile with nothing to do."""
    return DONE


async def test_every_series_of_a_controller_is_there_from_the_start() -> None:
    Controller("fresh", nothing)

    whole = ("name", "controller")
    for name in (
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_terminal_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
        "controller_runtime_reconcile_timeouts_total",
        "controller_runtime_reconcile_time_seconds_count",
        "controller_runtime_active_workers",
        "kaito_reconcile_deferred_total",
    ):
        assert (name, value(name, controller="fresh")) == (name, 0)
    for name in (
        "workqueue_adds_total",
        "workqueue_retries_total",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
        "workqueue_queue_duration_seconds_count",
        "workqueue_work_duration_seconds_count",
    ):
        assert (name, value(name, **dict.fromkeys(whole, "fresh"))) == (name, 0)
    for result in ("success", "error", "requeue", "requeue_after"):
        assert value("controller_runtime_reconcile_total", controller="fresh", result=result) == 0
    for priority in ("0", "-100"):
        labels = {"name": "fresh", "controller": "fresh", "priority": priority}
        assert value("workqueue_depth", **labels) == 0


def bounds(name: str, /, **labels: str) -> list[str]:
    """The upper bounds of a histogram's buckets, as they are told."""
    return [
        sample.labels["le"]
        for family in prometheus_client.REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"{name}_bucket" and labels.items() <= sample.labels.items()
    ]


async def test_buckets_are_those_that_dashboards_know() -> None:
    Controller("sorted", nothing)
    whole = {"name": "sorted", "controller": "sorted"}

    told = {
        "reconcile": bounds("controller_runtime_reconcile_time_seconds", controller="sorted"),
        "queued": bounds("workqueue_queue_duration_seconds", **whole),
        "worked": bounds("workqueue_work_duration_seconds", **whole),
    }

    assert {name: [float(each) for each in found] for name, found in told.items()} == {
        "reconcile": pytest.approx([*RECONCILE_SECONDS, math.inf]),
        "queued": pytest.approx([*QUEUE_SECONDS, math.inf]),
        "worked": pytest.approx([*QUEUE_SECONDS, math.inf]),
    }


async def test_a_key_is_counted_where_it_is() -> None:
    controller = Controller("counted", nothing)
    first, second, third = (Ref("", name) for name in "abc")
    controller.queue.add(first)
    controller.queue.add(second, priority=-100)
    controller.queue.add(third, priority=7)
    controller.queue.add(second, priority=7)
    taken = await controller.queue.get()

    depths = {
        priority: value(
            "workqueue_depth", name="counted", controller="counted", priority=str(priority)
        )
        for priority in (0, -100, 7)
    }
    assert taken == third
    assert value("controller_runtime_active_workers", controller="counted") == 1
    assert depths == {0: 1, -100: 0, 7: 1}


async def test_every_series_of_a_client_is_there_from_the_start() -> None:
    endpoint = Endpoint("http://fresh.test:1", Anonymous())
    transport = Transport(endpoint, user_agent="tests/1", max_in_flight=1)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        labels = {"method": method, "host": "fresh.test:1"}
        assert value("rest_client_requests_total", code="200", **labels) == 0
        for name in (
            "rest_client_request_duration_seconds_count",
            "rest_client_request_size_bytes_count",
            "rest_client_response_size_bytes_count",
            "rest_client_rate_limiter_duration_seconds_count",
        ):
            assert (name, value(name, verb=method, host="fresh.test:1")) == (name, 0)
        labels = {"verb": method, "host": "fresh.test:1"}
        assert value("rest_client_request_retries_total", code="429", **labels) == 0
    await transport.close()


async def test_bytes_and_seconds_of_requests_are_counted(api: Api, client: Client) -> None:
    # Another test's server may have had the same port: only the difference is this one's.
    labels = {"verb": "POST", "host": api.url.partition("://")[2]}
    names = ("rest_client_request_size_bytes", "rest_client_response_size_bytes")
    before = [(value(f"{n}_count", **labels) or 0, value(f"{n}_sum", **labels) or 0) for n in names]

    await client.create(THINGS, {"metadata": {"name": "a", "namespace": "default"}, "spec": {}})

    for name, (count, total) in zip(names, before, strict=True):
        assert value(f"{name}_count", **labels) == count + 1
        assert (value(f"{name}_sum", **labels) or 0) > total + 50


async def test_lists_are_counted_by_what_made_them_necessary(api: Api, client: Client) -> None:
    before = value("kaito_informer_lists_total", resource="things", reason="start") or 0
    informer = Informer(client, THINGS)
    task = asyncio.create_task(informer.run())
    await api.until_watched(1)
    task.cancel()

    assert value("kaito_informer_lists_total", resource="things", reason="start") == before + 1
    assert value("kaito_informer_lists_total", resource="things", reason="expired") is not None
    assert value("kaito_informer_readable", resource="things") == 1
    age = value("kaito_informer_age_seconds", resource="things")
    assert age is not None
    assert 0 <= age < 5


async def test_two_informers_of_one_resource_are_told_apart(api: Api, client: Client) -> None:
    api.put(path("a"), spec={})
    api.put(path("b").replace("/default/", "/here/"), spec={})
    informers = [
        Informer(client, THINGS, selection=Selection(name="all")),
        Informer(client, THINGS, selection=Selection("here", name="some")),
    ]
    tasks = [asyncio.create_task(each.run()) for each in informers]
    await api.until_watched(2)
    informers[1].failed(Unavailable(503, "ServiceUnavailable", "no"))
    found = [
        [value(f"kaito_informer_{what}", resource=name) for what in ("objects", "readable")]
        for name in ("all", "some")
    ]
    aged = [value("kaito_informer_age_seconds", resource=name) for name in ("all", "some")]
    for task in tasks:
        task.cancel()

    assert found == [[2, 1], [1, 0]]
    assert None not in aged


def test_no_two_informers_of_a_process_are_called_alike(client: Client) -> None:
    manager = Manager(client, elector=None, host="127.0.0.1", health_port=0, metrics_port=0)
    manager.informer(THINGS)
    manager.informer(THINGS, labels="some", name="some")

    with pytest.raises(ValueError, match="two informers are called things"):
        manager.informer(THINGS, labels="others")


async def test_c3_a_reconcile_that_takes_too_long_is_counted() -> None:
    async def endless(_: Ref) -> Outcome:
        await asyncio.Event().wait()
        return DONE

    controller = Controller("slow", endless, deadline_seconds=0.01)
    with pytest.raises(TimeoutError):
        await controller._bounded(ref("a"))

    assert value("controller_runtime_reconcile_timeouts_total", controller="slow") == 1


async def test_a_loop_that_stands_still_is_measured() -> None:
    before = value("kaito_loop_stall_seconds_sum") or 0
    task = asyncio.create_task(watch_stalls(tick_seconds=0.01))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() < began + 0.2:
        pass
    await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    measured = (value("kaito_loop_stall_seconds_sum") or 0) - before
    assert 0.15 < measured < loop.time() - began
