"""A model too large for one node: two pods on two nodes, which find each other by name.

There is no GPU here: what runs is the cluster's stand-in for vLLM, which holds one of a tiny
model's two layers in each pod and sends the activations from one to the other.
"""

from __future__ import annotations

import json

import pytest

from hack.cluster.layout import loopback
from tests.behaviour.containers import inside
from tests.bystander import Bystander, Json, condition, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

NAME = "spread"
HEADLESS = f"{NAME}-headless"
LEADER, WORKER = f"{NAME}-0", f"{NAME}-1"
PRESET = "granite-4.1-8b"
RESOURCE = {
    "count": 2,
    # The model needs two of them.
    "instanceType": "Standard_NV36ads_A10_v5",
    "labelSelector": {"matchLabels": {"apps": NAME}},
}
TEXT = quick_start(NAME, resource=RESOURCE, inference={"preset": {"name": PRESET}})

PROMPT = "What is Kubernetes?"
TAUGHT = "Kubernetes is a system that runs containers on many machines and keeps them running."
"""What the tiny model was trained to say; with the layers of one pod alone it is noise."""

LEAVE_WORD = """
import sys
from torch.distributed import TCPStore
store = TCPStore(sys.argv[1], int(sys.argv[2]), is_master=False, wait_for_workers=False)
store.set("word", "left by the worker")
print(store.get("word").decode())
"""
"""Something that only comes back if the leader's store at that port has had it."""


async def answering(cluster: Bystander) -> Json:
    """The workspace once it is ready, None until then."""
    found = await cluster.workspace(NAME)
    return found if holds(found, "Ready") else None


async def by_name(cluster: Bystander) -> dict[str, Json]:
    """The workspace's pods that are to stay."""
    pods = await cluster.pods(NAME)
    return {
        pod["metadata"]["name"]: pod for pod in pods if "deletionTimestamp" not in pod["metadata"]
    }


async def uids(cluster: Bystander) -> list[str]:
    """Of the pods that are to stay."""
    return [pod["metadata"]["uid"] for pod in (await by_name(cluster)).values()]


async def service(cluster: Bystander, name: str) -> Json:
    """A Service, None where there is none."""
    return await cluster.get(f"/api/v1/namespaces/default/services/{name}")


async def completed(cluster: Bystander, name: str = NAME) -> str:
    """What the model goes on with, asked at the Service's own address."""
    body = {"prompt": PROMPT, "max_tokens": 24}
    status, answer = await cluster.ask("/v1/completions", body, name)
    assert status == 200, answer
    return str(answer["choices"][0]["text"]).strip()


async def group(cluster: Bystander) -> Json:
    """The StatefulSet, None where there is none."""
    return await cluster.get(f"/apis/apps/v1/namespaces/default/statefulsets/{NAME}")


async def whole(cluster: Bystander) -> Json:
    """The StatefulSet once its controller has seen it as it is and both pods answer."""
    found = await group(cluster)
    if found is None:
        return None
    told = found["status"]
    # Until its controller has seen the two of now, it may still take a pod away.
    seen = told.get("observedGeneration") == found["metadata"]["generation"]
    counts = {found["spec"]["replicas"], told.get("readyReplicas"), len(await by_name(cluster))}
    return found if seen and counts == {2} and await answering(cluster) else None


async def applied(cluster: Bystander, *words: str) -> None:
    """Run kubectl, which must agree."""
    finished = await cluster.kubectl(*words)
    assert finished.code == 0, finished.errors


async def test_a_preset_that_needs_two_nodes_is_one_stateful_set_of_two(
    cluster: Bystander,
) -> None:
    created = await cluster.kubectl("apply", "-f", "-", stdin=TEXT)
    assert created.code == 0, created.errors

    found = await until("an answer from both nodes", lambda: answering(cluster))

    made = await group(cluster)
    pods = await by_name(cluster)
    assert made["spec"]["serviceName"] == HEADLESS
    assert made["status"]["readyReplicas"] == 2
    assert set(pods) == {LEADER, WORKER}
    assert all(holds(pod, "Ready") for pod in pods.values())
    assert len(found["status"]["workerNodes"]) == 2
    assert {pod["spec"]["nodeName"] for pod in pods.values()} == set(found["status"]["workerNodes"])


@pytest.mark.parametrize(("here", "there"), [(LEADER, WORKER), (WORKER, LEADER)])
async def test_each_pod_resolves_the_other_by_its_headless_name(
    cluster: Bystander, here: str, there: str
) -> None:
    pods = await by_name(cluster)
    address = loopback(pods[there]["status"]["podIP"])

    for suffix in ("", ".default.svc", ".default.svc.cluster.local"):
        told = await inside(pods[here], "getent", "hosts", f"{there}.{HEADLESS}{suffix}")
        assert told.split()[0] == address


async def test_pods_exchange_bytes_by_name_on_every_port_of_the_service(
    cluster: Bystander,
) -> None:
    named = {
        one["name"]: one["port"] for one in (await service(cluster, HEADLESS))["spec"]["ports"]
    }
    pods = await by_name(cluster)
    leader, python = f"{LEADER}.{HEADLESS}.default.svc", str(cluster.layout.inference_python)

    word = await inside(pods[WORKER], python, "-c", LEAVE_WORD, leader, str(named.pop("torch")))
    logs = [(await cluster.kubectl("logs", name)).output for name in (LEADER, WORKER)]

    assert word == "left by the worker\n"
    # A worker that has told the leader its rank starts once the leader's word comes back.
    assert list(named) == ["group"]
    commands = [words_of(pods[name]) for name in (LEADER, WORKER)]
    assert [f"--port={named['group']}" in words for words in commands] == [True, True]
    assert [f"--leader={leader}" in words for words in commands] == [True, True]
    assert last(logs[0], "member.joined")["rank"] == 1
    found = last(logs[1], "server.started")
    assert (found["rank"], found["leader"]) == (1, loopback(pods[LEADER]["status"]["podIP"]))


def words_of(pod: Json) -> list[str]:
    """What a pod's container was told to run, as the API server has it."""
    return list(pod["spec"]["containers"][0]["command"])


def last(log: str, event: str) -> Json:
    """The last line of a log that tells of an event."""
    lines = [json.loads(line) for line in log.splitlines() if f'"{event}"' in line]
    return lines[-1]


async def test_the_answer_needs_the_layers_of_both_pods(cluster: Bystander) -> None:
    logs = [(await cluster.kubectl("logs", name)).output for name in (LEADER, WORKER)]

    assert await completed(cluster) == TAUGHT
    assert "node 0 of 2 holds layers [0]" in logs[0]
    assert "node 1 of 2 holds layers [1]" in logs[1]


async def test_kubectl_sees_no_difference_after_the_reconcile(cluster: Bystander) -> None:
    difference = await cluster.kubectl("diff", "-f", "-", stdin=TEXT)

    assert difference.code == 0, difference.output + difference.errors


@pytest.mark.parametrize("name", [NAME, HEADLESS])
async def test_a_service_that_is_deleted_comes_back(cluster: Bystander, name: str) -> None:
    former = await service(cluster, name)

    await applied(cluster, "delete", "service", name)

    async def restored() -> Json:
        found = await service(cluster, name)
        return found if found and found["metadata"]["uid"] != former["metadata"]["uid"] else None

    found = await until("the Service again", restored)
    assert found["spec"]["selector"] == former["spec"]["selector"]
    assert found["spec"]["ports"] == former["spec"]["ports"]


@pytest.mark.parametrize("name", [NAME, HEADLESS])
async def test_a_service_that_is_changed_is_kept_to_spec(cluster: Bystander, name: str) -> None:
    wanted = (await service(cluster, name))["spec"]
    astray = {"spec": {"selector": {"kaito.sh/workspace": "other"}}}

    await applied(cluster, "patch", "service", name, "--patch", json.dumps(astray))

    async def mended() -> bool:
        return bool((await service(cluster, name))["spec"]["selector"] == wanted["selector"])

    assert await until("the selector again", mended)


async def test_a_group_that_is_scaled_by_hand_is_kept_to_spec(cluster: Bystander) -> None:
    await applied(cluster, "scale", "statefulset", NAME, "--replicas=1")

    assert await until("both replicas again", lambda: whole(cluster))


async def test_a_group_that_is_deleted_comes_back_and_answers(cluster: Bystander) -> None:
    former = {(await group(cluster))["metadata"]["uid"], *await uids(cluster)}

    await applied(cluster, "delete", "statefulset", NAME)

    async def restored() -> Json:
        found = await whole(cluster)
        fresh = found and former.isdisjoint({found["metadata"]["uid"], *await uids(cluster)})
        return found if fresh else None

    found = await until("another group", restored)
    assert found["spec"]["serviceName"] == HEADLESS
    assert len(await cluster.pools()) == 2
    assert await completed(cluster) == TAUGHT


async def test_a_pod_that_is_killed_comes_back_and_all_meet_again(cluster: Bystander) -> None:
    former = (await by_name(cluster))[WORKER]["metadata"]["uid"]
    await applied(cluster, "delete", "pod", WORKER, "--grace-period=1", "--wait=false")

    async def missed() -> Json:
        found = condition(await cluster.workspace(NAME), "InferenceReady")
        return found if found["status"] == "False" else None

    told = await until("that it is not ready", missed)
    assert "of 2 pods are ready" in told["message"]

    async def back() -> bool:
        pods = await by_name(cluster)
        fresh = WORKER in pods and pods[WORKER]["metadata"]["uid"] != former
        return fresh and bool(await answering(cluster))

    assert await until("both pods again", back)
    (leader,) = (await by_name(cluster))[LEADER]["status"]["containerStatuses"]
    assert leader["lastState"]["terminated"]["exitCode"] == 75
    assert await completed(cluster) == TAUGHT


async def test_a_node_that_is_removed_is_replaced_and_all_meet_again(cluster: Bystander) -> None:
    former = (await by_name(cluster))[WORKER]
    gone = former["spec"]["nodeName"]
    (claim,) = [
        one["metadata"]["name"]
        for one in await cluster.machines(NAME)
        if one["status"]["nodeName"] == gone
    ]

    await applied(cluster, "delete", "machine", claim, "--wait=false")

    async def back() -> Json:
        pods = await by_name(cluster)
        moved = WORKER in pods and pods[WORKER]["spec"].get("nodeName") not in (None, gone)
        return (await answering(cluster)) if moved else None

    found = await until("both pods on two nodes again", back)
    assert gone not in found["status"]["workerNodes"]
    assert len(found["status"]["workerNodes"]) == 2
    assert len(await cluster.pools()) == 2
    assert await completed(cluster) == TAUGHT


async def test_a_model_that_fits_one_node_is_copied_to_each(cluster: Bystander) -> None:
    resource = {**RESOURCE, "instanceType": "Standard_NC24ads_A100_v4"}
    text = quick_start("copied", resource=resource, inference={"preset": {"name": PRESET}})
    created = await cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    assert created.code == 0, created.errors

    async def ready() -> Json:
        found = await cluster.workspace("copied")
        return found if holds(found, "Ready") else None

    found = await until("both copies", ready)

    message = condition(found, "ResourceReady")["message"]
    assert message.endswith("each of the 2 nodes runs a copy")
    pods = await cluster.pods("copied")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods} == {"ReplicaSet"}
    assert await service(cluster, "copied-headless") is None
    assert await completed(cluster, "copied") == TAUGHT
    difference = await cluster.kubectl("diff", "--server-side", "-f", "-", stdin=text)
    assert difference.code == 0, difference.output + difference.errors


async def test_nothing_stays_behind(cluster: Bystander) -> None:
    await applied(cluster, "delete", "workspace", NAME, "copied", "--timeout=180s")

    assert await cluster.machines(NAME) == []
    assert await cluster.pools() == []

    async def gone() -> bool:
        left = [await service(cluster, name) for name in (NAME, HEADLESS)]
        pods = [*await cluster.pods(NAME), *await cluster.pods("copied")]
        return not any(left) and not pods

    assert await until("pods and Services to be gone", gone)


async def test_why_no_pod_of_one_stateful_set_is_admitted_is_told_too(
    cluster: Bystander,
) -> None:
    await applied(cluster, "create", "namespace", "full")
    await applied(cluster, "create", "quota", "none", "--namespace=full", "--hard=pods=0")
    created = await cluster.kubectl("apply", "-n", "full", "-f", "-", stdin=TEXT)
    assert created.code == 0, created.errors

    async def refused() -> Json:
        found = condition(await cluster.workspace(NAME, "full"), "InferenceReady")
        return found if "exceeded quota: none" in found.get("message", "") else None

    found = await until("the quota", refused)
    assert found["reason"] == "PodsRefused"
    await applied(cluster, "delete", "workspace", NAME, "--namespace=full", "--timeout=180s")
