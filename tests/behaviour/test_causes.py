"""What keeps pods from running, each brought about for real: the Workspace says which it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.behaviour.history import History, recorded
from tests.bystander import Bystander, Json, condition, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
CRASH = ["sh", "-c", "echo 'no such dtype: float7' >&2; exit 3"]
DEAF = ["sh", "-c", "trap 'exit 143' TERM; while :; do sleep 0.1; done"]
EAT = ["sh", "-c", "x=$(head -c 64000000 /dev/zero | tr '\\0' x); while :; do sleep 0.1; done"]
FILL = ["sh", "-c", f"head -c 2000000 /dev/zero > /scratch/much; {IDLE[-1]}"]
AT_ONCE = {"exec": {"command": ["true"]}, "periodSeconds": 1}
NEVER = {"exec": {"command": ["false"]}, "periodSeconds": 1}
TAINT = "example.com/reserved"
OURS = ("nodes", "--selector=!kaito.sh/workspace")
"""Those that were not bought for a workspace."""
NO_SECRET = {"secretKeyRef": {"name": "hub", "key": "token"}}


def server(**changes: Json) -> Json:
    """A template of one container."""
    container = {"name": "server", "image": "local/shell:1", "command": IDLE, **changes}
    return {"template": {"spec": {"containers": [container]}}}


def pinned(**changes: Json) -> Json:
    """A template of the usual container, and something about its pods."""
    template = server(readinessProbe=AT_ONCE)["template"]
    return {"template": {"spec": {**template["spec"], **changes}}}


LASTING = 4
"""Restarts after which the cause has long been called lasting."""
WAITS = {"WorkspacePending", "Applying", "WorkloadProgressing"}
"""What may be said of a workload before it is known what is wrong with it."""
PRIVATE = {"image": "local/shell:1"}
SICK: dict[str, Json] = {
    "crashes": server(command=CRASH, terminationMessagePolicy="FallbackToLogsOnError"),
    "greedy": server(command=EAT, resources={"limits": {"memory": "32Mi"}}),
    "unfit": {
        "preset": {
            "name": "phi-3-mini-4k-instruct",
            "accessMode": "private",
            "presetOptions": PRIVATE,
        }
    },
    "secretless": server(env=[{"name": "TOKEN", "valueFrom": NO_SECRET}], readinessProbe=AT_ONCE),
    "unmounted": pinned(volumes=[{"name": "settings", "configMap": {"name": "phi"}}]),
    "silent": server(readinessProbe=NEVER),
    "unwell": server(command=DEAF, livenessProbe=NEVER),
    "late": server(startupProbe={**NEVER, "failureThreshold": 3}),
    "homeless": pinned(nodeSelector={"disk": "golden"}),
    "classless": pinned(priorityClassName="royal"),
    "imageless": {"template": {"spec": {"containers": [{"name": "server"}]}}},
    "unlooked": {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "adapters": [{"source": {"name": "style", "image": "registry.invalid/style:1"}}],
    },
}
"""What each workspace runs, by its name."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(cluster: Bystander) -> AsyncIterator[History]:
    """All that is ever said of them."""
    async with recorded(cluster) as kept:
        yield kept


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sick(cluster: Bystander, history: History) -> AsyncIterator[Bystander]:
    """A cluster where all of them were created at once; they go together, too.

    No node takes a pod that tolerates nothing.
    """
    tainted = await cluster.kubectl("taint", *OURS, f"{TAINT}=none:NoSchedule")
    assert tainted.code == 0, tainted.errors
    for name, inference in SICK.items():
        text = quick_start(name, inference=inference)
        created = await cluster.kubectl("apply", "-f", "-", stdin=text)
        assert created.code == 0, created.errors
    yield cluster
    assert (await cluster.kubectl("taint", *OURS, f"{TAINT}-")).code == 0
    deleted = await cluster.kubectl("delete", "workspace", *SICK, "--timeout=180s")
    assert deleted.code == 0, deleted.errors


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        (
            "crashes",
            "ContainerCrashLoopBackOff",
            ("exit code 3", "no such dtype: float7", "kubectl logs --previous"),
        ),
        (
            "greedy",
            "ContainerOOMKilled",
            ("exit code 137", "its limit of 32Mi", "raise resources.limits.memory"),
        ),
        ("unfit", "ContainerCrashLoopBackOff", ("ended with exit code", "No such file")),
        ("secretless", "ContainerStartError", ("hub", "create what is missing")),
        (
            "unmounted",
            "VolumeNotMounted",
            ('volume "settings"', 'configmap "phi" not found', "correct its name"),
        ),
        ("silent", "NotAnswering", ("readiness probe does not pass", "kubectl logs")),
        ("late", "StartupProbeFailed", ("startup probe did not pass", "kubectl logs --previous")),
        (
            "unwell",
            "ContainerCrashLoopBackOff",
            ("exit code 143", "its liveness probe did not pass", "kubectl describe pod"),
        ),
        ("homeless", "Unschedulable", ("fits no node", "resource.labelSelector")),
        ("classless", "PodsRefused", ("royal",)),
        ("imageless", "RefusedByAPIServer", ("image",)),
    ],
)
async def test_what_keeps_pods_from_running_is_told(
    sick: Bystander, name: str, reason: str, words: tuple[str, ...]
) -> None:
    async def told() -> Json:
        found = condition(await sick.workspace(name), "InferenceReady")
        return found if found.get("reason") == reason else None

    found = await until(reason, told)

    assert found["status"] == "False"
    assert [word for word in words if word not in found["message"]] == []
    assert condition(await sick.workspace(name), "Ready")["status"] == "False"


@pytest.mark.parametrize(
    "name", ["crashes", "greedy", "unwell", "secretless", "unmounted", "classless", "imageless"]
)
async def test_what_waiting_does_not_mend_is_stalled(sick: Bystander, name: str) -> None:
    async def stalled() -> Json:
        found = await sick.workspace(name)
        return found if condition(found, "Stalled").get("status") == "True" else None

    assert condition(await until("that it is stalled", stalled), "Reconciling") == {}


@pytest.mark.parametrize("name", ["crashes", "greedy", "unwell"])
async def test_what_crashes_is_never_called_ready_and_its_cause_stays(
    sick: Bystander, history: History, name: str
) -> None:
    async def restarts() -> list[int]:
        (pod,) = await sick.pods(name)
        counts = [each["restartCount"] for each in pod["status"]["containerStatuses"]]
        return counts if min(counts) > LASTING else []

    await until("more restarts", restarts)

    assert history.ever_held(name) & {"InferenceReady", "WorkspaceReady", "Ready"} == set()
    reasons = history.reasons(name, "InferenceReady")
    cause = condition(await sick.workspace(name), "InferenceReady")["reason"]
    assert reasons.count(cause) == 1, reasons
    assert reasons[-1] == cause
    assert set(reasons[:-1]) <= WAITS


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crashes", "ContainerCrashLoopBackOff"),
        ("greedy", "ContainerOOMKilled"),
        ("secretless", "ContainerStartError"),
    ],
)
async def test_the_next_word_after_a_pod_shows_its_cause_is_the_cause(
    sick: Bystander, history: History, name: str, reason: str
) -> None:
    later = history.of(name, since=history.shown(name))

    # The first may have been on its way already.
    assert reason in [condition(each, "InferenceReady").get("reason") for each in later[:2]]


@pytest.mark.parametrize("name", ["silent", "homeless"])
async def test_what_may_still_come_right_is_not(sick: Bystander, name: str) -> None:
    found = await sick.workspace(name)

    assert condition(found, "Reconciling").get("status") == "True"
    assert condition(found, "Stalled") == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("secretless", ("secret", "generic", "hub", "--from-literal=token=secret")),
        ("unmounted", ("configmap", "phi", "--from-literal=answer=42")),
    ],
)
async def test_what_somebody_mends_elsewhere_is_noticed(
    sick: Bystander, name: str, words: tuple[str, ...]
) -> None:
    assert (await sick.kubectl("create", *words)).code == 0

    async def is_well() -> bool:
        return bool(condition(await sick.workspace(name), "Ready").get("status") == "True")

    assert await until("that it is ready", is_well)
    assert condition(await sick.workspace(name), "Stalled") == {}


async def test_what_could_not_be_looked_at_is_told_and_its_node_is_bought(sick: Bystander) -> None:
    async def told() -> str:
        events = await sick.items("/apis/events.k8s.io/v1/namespaces/default/events")
        of_this = [each for each in events if each["regarding"]["name"] == "unlooked"]
        notes = [each["note"] for each in of_this if each["reason"] == "PreflightSkipped"]
        return str(notes[0]) if notes else ""

    note = await until("that it was not looked at", told)

    assert "did not run for 60 s" in note
    assert "untolerated taint" in note
    assert len(await sick.machines("unlooked")) == 1


async def test_that_a_node_has_ended_a_pod_is_told(sick: Bystander) -> None:
    mount = {"name": "scratch", "mountPath": "/scratch"}
    template = server(command=FILL, volumeMounts=[mount])["template"]
    volume = {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}
    crowded = {"template": {"spec": {**template["spec"], "volumes": [volume]}}}
    applied = await sick.kubectl(
        "apply", "-f", "-", stdin=quick_start("crowded", inference=crowded)
    )
    assert applied.code == 0, applied.errors

    async def told() -> Json:
        found = condition(await sick.workspace("crowded"), "Ready")
        return found if found.get("reason") == "PodEvicted" else None

    message = (await until("the eviction", told))["message"]

    assert "ended by its node: Evicted" in message
    assert 'volume "scratch" exceeds the limit "1Mi"' in message
    deleted = await sick.kubectl("delete", "workspace", "crowded", "--timeout=180s")
    assert deleted.code == 0, deleted.errors
