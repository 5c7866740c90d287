"""The life of a pod: real containers, real HTTP to an API server that remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from hack.cluster.addresses.routes import Service
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.podworker import PodWorker
from tests.unit.cluster.kubelet.builders import (
    PLACE,
    Told,
    a_container,
    a_wire_pod,
    needs_bubblewrap,
)
from tests.unit.cluster.kubelet.podsapi import Json, PodsApi

pytestmark = needs_bubblewrap

FOREVER = "mkfifo /door; exec 3<>/door; trap 'exit 0' TERM; touch /up; read word <&3"
"""Waits without starting processes: nothing but the signal decides when it ends."""

Lived = Callable[[dict[str, object]], Awaitable[PodWorker]]


def script(text: str, name: object = "main", **fields: object) -> dict[str, object]:
    return a_container(name, command=["sh", "-c", text], **fields)


def a_server(**fields: object) -> dict[str, object]:
    """A container that ends at SIGTERM, and is ready when it knows how to."""
    probe = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 0.05}
    return script(FOREVER, **{"readinessProbe": probe, **fields})


@asynccontextmanager
async def living(host: Host, api: PodsApi, wire: dict[str, object]) -> AsyncIterator[PodWorker]:
    """A worker for that pod, until the block ends."""
    api.pod = wire
    worker = PodWorker(host, api.read(), PLACE)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


def phase(api: PodsApi) -> object:
    return api.history[-1]["phase"] if api.history else ""


def first(api: PodsApi, kind: str = "containerStatuses") -> Json:
    """Status of the first container."""
    statuses = api.history[-1][kind] if api.history else [{}]
    assert isinstance(statuses, list)
    return cast("Json", statuses[0])


def state(api: PodsApi, kind: str = "containerStatuses") -> Json:
    return cast("Json", first(api, kind).get("state", {}))


def reason(api: PodsApi) -> object:
    waiting = state(api).get("waiting", {})
    assert isinstance(waiting, dict)
    return waiting.get("reason")


def conditions(status: Json) -> dict[str, str]:
    listed = status["conditions"]
    assert isinstance(listed, list)
    return {one["type"]: one["status"] for one in listed}


async def test_a_pod_runs_and_is_ready(host: Host, api: PodsApi, told: Told) -> None:
    async with living(host, api, a_wire_pod(a_server())):
        await api.until(lambda: first(api).get("ready") is True)

    assert phase(api) == "Running"
    assert api.history[0]["phase"] == "Pending"
    assert conditions(api.history[-1])["Ready"] == "True"
    assert first(api)["ready"] is True
    assert "Started" in told.reasons


async def test_a_deleted_pod_is_stopped_reported_and_released(host: Host, api: PodsApi) -> None:
    async with living(host, api, a_wire_pod(a_server())) as worker:
        await api.until(lambda: first(api).get("ready") is True)
        worker.update(api.ask_deletion(grace_seconds=10))
        await api.until(lambda: api.deleted is not None)

    assert phase(api) == "Succeeded"
    assert conditions(api.history[-1])["Ready"] == "False"
    assert api.deleted is not None
    assert api.deleted["gracePeriodSeconds"] == 0
    assert api.deleted["preconditions"] == {"uid": "11111111-2222-3333-4444-555555555555"}


async def test_a_second_deletion_may_cut_the_grace_short(host: Host, api: PodsApi) -> None:
    async with living(host, api, a_wire_pod(script("echo up; sleep 600"))) as worker:
        await api.until(lambda: phase(api) == "Running")
        worker.update(api.ask_deletion(grace_seconds=600))
        worker.update(api.ask_deletion(grace_seconds=0))
        await api.until(lambda: api.deleted is not None)

    assert phase(api) == "Failed"


async def test_a_pod_whose_volume_is_missing_has_no_sandbox_and_says_which(
    host: Host, api: PodsApi, told: Told
) -> None:
    volumes = [{"name": "settings", "configMap": {"name": "phi"}}]

    async with living(host, api, a_wire_pod(a_server(), volumes=volumes)):
        await api.until(lambda: "FailedMount" in told.reasons and phase(api) == "Pending")

    assert conditions(api.history[-1])["PodReadyToStartContainers"] == "False"
    assert "podIP" not in api.history[-1]
    assert state(api) == {"waiting": {"reason": "ContainerCreating"}}
    said = 'MountVolume.SetUp failed for volume "settings" : configmap "phi" not found'
    assert said in told.messages


async def test_init_containers_run_one_after_the_other_before_the_rest(
    host: Host, api: PodsApi
) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    wire = a_wire_pod(
        script("cat /shared/log > /dev/termination-log", volumeMounts=mounts),
        initContainers=[
            script("sleep 0.2; echo one >> /shared/log", "one", volumeMounts=mounts),
            script("echo two >> /shared/log", "two", volumeMounts=mounts),
        ],
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="Never",
    )

    async with living(host, api, wire):
        await api.until(lambda: phase(api) == "Succeeded")

    ended = state(api)["terminated"]
    assert isinstance(ended, dict)
    assert ended["message"] == "one\ntwo\n"


async def test_an_init_container_that_fails_keeps_the_rest_from_starting(
    host: Host, api: PodsApi
) -> None:
    wire = a_wire_pod(
        script("true"), initContainers=[script("exit 4", "first")], restartPolicy="Never"
    )

    async with living(host, api, wire):
        await api.until(lambda: phase(api) == "Failed")

    assert reason(api) == "PodInitializing"


@pytest.mark.parametrize(("code", "end"), [(0, "Succeeded"), (3, "Failed")])
async def test_a_pod_that_is_never_restarted_ends_with_its_container(
    host: Host, api: PodsApi, code: int, end: str
) -> None:
    async with living(host, api, a_wire_pod(script(f"exit {code}"), restartPolicy="Never")):
        await api.until(lambda: phase(api) == end)

    ended = state(api)["terminated"]
    assert isinstance(ended, dict)
    assert ended["exitCode"] == code
    assert first(api)["restartCount"] == 0


async def test_a_crashing_container_is_started_again_and_again(
    host: Host, api: PodsApi, told: Told
) -> None:
    wire = a_wire_pod(script("echo why; exit 9", terminationMessagePolicy="FallbackToLogsOnError"))

    def restarts() -> int:
        return int(str(first(api).get("restartCount", 0)))

    async with living(host, api, wire):
        await api.until(lambda: reason(api) == "CrashLoopBackOff" and restarts() >= 2)

    counts = [
        cast("list[Json]", one["containerStatuses"])[0]["restartCount"] for one in api.history
    ]
    assert counts == sorted(cast("list[int]", counts))
    last = cast("Json", first(api)["lastState"])["terminated"]
    assert isinstance(last, dict)
    assert last["exitCode"] == 9
    assert last["message"] == "why\n"
    assert "BackOff" in told.reasons


@pytest.mark.parametrize(("limit", "reason"), [("32Mi", "OOMKilled"), ("1Gi", None)])
async def test_a_container_that_holds_more_memory_than_it_may_is_killed(
    host: Host, api: PodsApi, limit: str, reason: str | None
) -> None:
    # In a child of process 1, which holds next to nothing itself.
    eats = "sh -c 'x=$(head -c 64000000 /dev/zero | tr \\\\0 x); touch /up; read word < /door; :'"
    greedy = script(
        f"mkfifo /door; {eats}; :",
        resources={"limits": {"memory": limit}},
        readinessProbe={"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 0.05},
    )

    async with living(host, api, a_wire_pod(greedy, restartPolicy="Never")):
        await api.until(lambda: phase(api) == "Failed" or first(api).get("ready") is True)

    ended = cast("Json", state(api).get("terminated") or {})
    assert (ended.get("reason"), ended.get("exitCode")) == (reason, reason and 137)


async def test_a_pod_that_fills_a_volume_beyond_its_limit_is_evicted(
    host: Host, api: PodsApi, told: Told
) -> None:
    mount = {"name": "scratch", "mountPath": "/scratch"}
    greedy = script(f"head -c 2000000 /dev/zero > /scratch/much; {FOREVER}", volumeMounts=[mount])
    volume = {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}

    async with living(host, api, a_wire_pod(greedy, volumes=[volume])):
        await api.until(lambda: phase(api) == "Failed")

    assert api.history[-1]["reason"] == "Evicted"
    assert 'volume "scratch" exceeds the limit "1Mi"' in str(api.history[-1]["message"])
    assert "Evicted" in told.reasons


async def test_an_unknown_image_is_told_and_tried_again(host: Host, api: PodsApi) -> None:
    wire = a_wire_pod({"name": "main", "image": "nowhere/nothing:1"})

    async with living(host, api, wire):
        await api.until(lambda: reason(api) == "ErrImagePull")
        await api.until(lambda: reason(api) == "ImagePullBackOff")

    assert phase(api) == "Pending"


async def test_a_missing_secret_is_waited_for(host: Host, api: PodsApi) -> None:
    source = {"secretKeyRef": {"name": "late", "key": "k"}}
    wire = a_wire_pod(
        script('printf "$K" > /dev/termination-log', env=[{"name": "K", "valueFrom": source}]),
        restartPolicy="Never",
    )

    async with living(host, api, wire):
        await api.until(lambda: reason(api) == "CreateContainerConfigError")
        api.secret("late", k="here")
        await api.until(lambda: phase(api) == "Succeeded")

    ended = state(api)["terminated"]
    assert isinstance(ended, dict)
    assert ended["message"] == "here"


async def test_a_pod_that_must_not_run_as_root_does_not(host: Host, api: PodsApi) -> None:
    wire = a_wire_pod(script("true", securityContext={"runAsNonRoot": True}))

    async with living(host, api, wire):
        await api.until(lambda: reason(api) == "CreateContainerConfigError")


async def test_a_changed_config_map_reaches_a_running_container(host: Host, api: PodsApi) -> None:
    api.config_map("c", word="old")
    wire = a_wire_pod(
        script(
            "while ! grep -q new /c/word; do sleep 0.05; done; echo done > /dev/termination-log",
            volumeMounts=[{"name": "c", "mountPath": "/c"}],
        ),
        volumes=[{"name": "c", "configMap": {"name": "c"}}],
        restartPolicy="Never",
    )

    async with living(host, api, wire):
        await api.until(lambda: phase(api) == "Running")
        api.config_map("c", word="new")
        await api.until(lambda: phase(api) == "Succeeded")


async def test_a_new_name_reaches_a_running_container(host: Host, api: PodsApi) -> None:
    probe = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 0.05}
    text = "touch /up; until getent hosts chat.default.svc; do sleep 0.05; done"
    wire = a_wire_pod(script(text, readinessProbe=probe), restartPolicy="Never")
    service = Service.model_validate(
        {"metadata": {"namespace": "default", "name": "chat"}, "spec": {"clusterIP": "127.9.9.9"}}
    )

    async with living(host, api, wire) as worker:
        await api.until(lambda: first(api).get("ready") is True)
        host.names._services.store.put(service)
        worker.write_names()
        await api.until(lambda: phase(api) == "Succeeded")

    assert "127.9.9.9" in worker.log("main", 0).read_text()


async def test_a_container_is_ready_only_while_its_probe_succeeds(host: Host, api: PodsApi) -> None:
    probe = {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 0.05}
    text = f"touch /ready; sleep 0.5; rm /ready; {FOREVER}"

    async with living(host, api, a_wire_pod(script(text, readinessProbe=probe))):
        await api.until(lambda: first(api).get("ready") is True)
        await api.until(lambda: first(api).get("ready") is False)

    assert phase(api) == "Running"
    assert first(api)["restartCount"] == 0


async def test_a_container_that_does_not_live_is_started_again(
    host: Host, api: PodsApi, told: Told
) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 0.05, "failureThreshold": 2}

    async with living(host, api, a_wire_pod(script(FOREVER, livenessProbe=probe))):
        await api.until(lambda: first(api).get("restartCount") == 1)

    assert {"Unhealthy", "Killing"} <= set(told.reasons)


async def test_other_probes_wait_for_the_startup_probe(host: Host, api: PodsApi) -> None:
    startup = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 0.05}
    startup["failureThreshold"] = 1000
    liveness = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 0.05}
    wire = a_wire_pod(script(f"sleep 0.4; {FOREVER}", startupProbe=startup, livenessProbe=liveness))

    async with living(host, api, wire):
        await api.until(lambda: first(api).get("started") is True)

    assert first(api)["restartCount"] == 0


async def test_a_hook_runs_before_the_container_is_stopped(host: Host, api: PodsApi) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /dev/termination-log"]}}}

    async with living(host, api, a_wire_pod(a_server(lifecycle=hook))) as worker:
        await api.until(lambda: first(api).get("ready") is True)
        worker.update(api.ask_deletion(grace_seconds=10))
        await api.until(lambda: api.deleted is not None)

    ended = state(api)["terminated"]
    assert isinstance(ended, dict)
    assert ended["message"] == "hook\n"


async def test_a_pod_that_ran_before_is_started_again_by_the_next_kubelet(
    host: Host, api: PodsApi
) -> None:
    before = {
        "name": "main",
        "restartCount": 1,
        "state": {"running": {"startedAt": "2026-01-02T03:00:00Z"}},
    }
    wire = a_wire_pod(a_server()) | {"status": {"phase": "Running", "containerStatuses": [before]}}

    async with living(host, api, wire):
        await api.until(lambda: "running" in state(api))

    assert first(api)["restartCount"] == 2


async def test_a_finished_pod_is_left_alone_until_it_is_deleted(host: Host, api: PodsApi) -> None:
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    wire = a_wire_pod(script("exit 1"), restartPolicy="Never") | {
        "status": {"phase": "Succeeded", "containerStatuses": [ended]}
    }

    async with living(host, api, wire) as worker:
        worker.update(api.ask_deletion(grace_seconds=5))
        await api.until(lambda: api.deleted is not None)

    assert {one["phase"] for one in api.history} <= {"Succeeded"}


async def test_a_container_that_is_shut_down_is_not_reported_as_ended(
    host: Host, api: PodsApi
) -> None:
    async with living(host, api, a_wire_pod(a_server())) as worker:
        await api.until(lambda: first(api).get("ready") is True)
        deadline = time.monotonic() + 5
        await worker.shut_down(lambda: deadline - time.monotonic())

    assert phase(api) == "Running"
    assert "running" in state(api)
