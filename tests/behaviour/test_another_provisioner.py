"""A claim controller of another make serves NodeClaims of its own class; ours leaves them alone."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio

from hack.cluster.process import Process, Program
from tests.behaviour.karpenter import INSTANCE_TYPE, SHORT
from tests.bystander import Bystander, Json, condition, holds, quick_start, until
from tests.provisioner.portal import Portal

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

GROUP, KIND, CLASS = "another.example", "AnotherNodeClass", "gpu"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
OURS = "--namespace=kaito-system"
SERVED_ALONE, SERVED_BESIDE = "served-alone", "served-beside"
SCARCE, PLENTY = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"
"""Of these two it has the second alone."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(cluster: Bystander) -> Bystander:
    """The cluster without our provisioner, where kaito asks another one for nodes."""
    chosen = ("KAITO_CLAIM_KIND=NodeClaim", f"KAITO_NODE_CLASS={GROUP}/{KIND}/{CLASS}")
    for words in (
        ("scale", "deployment", "provisioner", OURS, "--replicas=0"),
        ("set", "env", "deployment/kaito", OURS, *chosen),
        ("rollout", "status", "deployment/kaito", OURS, "--timeout=180s"),
    ):
        done = await cluster.kubectl(*words)
        assert done.code == 0, done.errors
    await until("the provisioner to be gone", lambda: is_alone(cluster))
    return cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(alone: Bystander) -> AsyncIterator[Bystander]:
    """The same, once the other one runs."""
    layout = alone.layout
    words = ("--home", str(layout.home), "--group", GROUP, "--kind", KIND, "--scarce", SCARCE)
    program = Program(
        "another",
        (sys.executable, "-m", "tests.behaviour.karpenter", *words),
        {**os.environ, "PYTHONPATH": str(layout.repo)},
        stop_seconds=30,
    )
    another = await Process.start(program, folder=layout.repo, logs=layout.logs)
    try:
        yield alone
    finally:
        await another.stop()


async def is_alone(cluster: Bystander) -> bool:
    """Whether kaito is the only one of ours that runs."""
    pods = await cluster.items("/api/v1/namespaces/kaito-system/pods")
    return [each["metadata"]["labels"]["app.kubernetes.io/name"] for each in pods] == ["kaito"]


async def claim_of(cluster: Bystander, name: str) -> Json:
    (claim,) = await cluster.items(CLAIMS, f"kaito.sh/workspace={name}")
    return claim


LOOKS = {"SIGN_IN", "LIST", "SKUS", "USAGES"}
"""What a provisioner asks ARM for that has nothing to do: who it is, and what there is."""


async def errands(cluster: Bystander) -> list[Json]:
    """Requests to ARM that change anything, or that name a pool."""
    asked = await cluster.journal()
    return [each for each in asked if each["pool"] or each["operation"] not in LOOKS]


async def bring_up(cluster: Bystander, name: str) -> None:
    """Apply the quick start under a name and wait until it is ready."""
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start(name))
    assert applied.code == 0, applied.errors

    async def is_ready() -> bool:
        return holds(await cluster.workspace(name), "Ready")

    await until(f"{name} to be ready", is_ready)


async def test_while_no_provisioner_runs_the_workspace_says_what_is_missing(
    alone: Bystander,
) -> None:
    applied = await alone.kubectl("apply", "-f", "-", stdin=quick_start(SERVED_ALONE))
    assert applied.code == 0, applied.errors

    async def told() -> Json:
        found = condition(await alone.workspace(SERVED_ALONE), "Ready")
        return found if found.get("reason") == "NoProvisioner" else None

    said = (await until("the cause to be told", told))["message"]
    claim = await claim_of(alone, SERVED_ALONE)
    assert f"nobody has taken up {claim['metadata']['name']}" in said
    assert f"NodeClaims of the class {GROUP}/{KIND}/{CLASS}" in said
    assert condition(await alone.workspace(SERVED_ALONE), "Stalled") == {}


async def test_a_workspace_answers_on_a_node_of_another_make(served: Bystander) -> None:
    await bring_up(served, SERVED_ALONE)

    status, answer = await served.chat({"prompt": "What is KAITO?"}, SERVED_ALONE)

    assert status == 200, answer
    assert answer["Result"]
    workspace = await served.workspace(SERVED_ALONE)
    claim = await claim_of(served, SERVED_ALONE)
    assert condition(workspace, "NodeClaimReady")["status"] == "True"
    assert workspace["status"]["workerNodes"] == [claim["status"]["nodeName"]]
    assert claim["spec"]["nodeClassRef"] == {"group": GROUP, "kind": KIND, "name": CLASS}
    assert claim["spec"]["expireAfter"] == "Never"


async def test_we_write_nothing_to_its_claim_but_the_claim_itself(served: Bystander) -> None:
    claim = await claim_of(served, SERVED_ALONE)

    writers = {
        (each["manager"], each.get("subresource", ""))
        for each in claim["metadata"]["managedFields"]
    }
    assert writers == {("kaito", ""), ("another", ""), ("another", "status")}


async def test_another_kind_of_new_claims_buys_nothing_while_one_is_alive(
    served: Bystander,
) -> None:
    bought = (await claim_of(served, SERVED_ALONE))["metadata"]["uid"]

    async def is_told(type_: str) -> bool:
        found = await served.workspace(SERVED_ALONE)
        return holds(found, type_) and holds(found, "Ready")

    for kind, type_ in (("Machine", "MachineReady"), ("NodeClaim", "NodeClaimReady")):
        for words in (
            ("set", "env", "deployment/kaito", OURS, f"KAITO_CLAIM_KIND={kind}"),
            ("rollout", "status", "deployment/kaito", OURS, "--timeout=180s"),
        ):
            done = await served.kubectl(*words)
            assert done.code == 0, done.errors
        assert await until(f"{type_} to be told", partial(is_told, type_))
        assert await served.machines(SERVED_ALONE) == []
        assert (await claim_of(served, SERVED_ALONE))["metadata"]["uid"] == bought


async def test_its_workspace_is_deleted_with_claim_and_node(served: Bystander) -> None:
    node = (await claim_of(served, SERVED_ALONE))["status"]["nodeName"]

    deleted = await served.kubectl("delete", "workspace", SERVED_ALONE, "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await served.items(CLAIMS) == []
    assert await served.get(f"/api/v1/nodes/{node}") is None


async def refusals(cluster: Bystander) -> set[str]:
    """Names of the claims that there was no capacity for, by the Events about them."""
    events = await cluster.items("/api/v1/namespaces/default/events")
    return {each["involvedObject"]["name"] for each in events if each["reason"] == SHORT}


def choosy(name: str, *types: str) -> str:
    """The quick start under a name, for the first of these types that can be had."""
    selector = {"matchLabels": {"apps": name}}
    return quick_start(name, resource={"instanceTypes": types, "labelSelector": selector})


async def test_the_next_type_is_asked_for_where_it_has_no_capacity(served: Bystander) -> None:
    before = await refusals(served)
    applied = await served.kubectl("apply", "-f", "-", stdin=choosy("choosy", SCARCE, PLENTY))
    assert applied.code == 0, applied.errors

    async def is_ready() -> bool:
        return holds(await served.workspace("choosy"), "Ready")

    await until("an answer from the second type", is_ready)
    status = (await served.workspace("choosy"))["status"]
    claim = await claim_of(served, "choosy")
    node = await served.get(f"/api/v1/nodes/{claim['status']['nodeName']}")
    deleted = await served.kubectl("delete", "workspace", "choosy", "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert node["metadata"]["labels"][INSTANCE_TYPE] == PLENTY
    assert len(await refusals(served) - before) == 1
    (attempt,) = status["attempts"]
    assert (attempt["instanceType"], attempt["reason"]) == (SCARCE, "NeverLaunched")
    assert "as Karpenter does where there is no capacity" in attempt["message"]


async def test_the_only_type_is_asked_for_again_after_a_pause(served: Bystander) -> None:
    before = await refusals(served)
    applied = await served.kubectl("apply", "-f", "-", stdin=choosy("scarce", SCARCE))
    assert applied.code == 0, applied.errors

    async def refused() -> Json:
        found = await served.workspace("scarce")
        said = condition(found, "Ready").get("message", "")
        return found if "is asked for again at" in said else None

    async def is_ready() -> bool:
        return holds(await served.workspace("scarce"), "Ready")

    told = await until("the pause to be told", refused)
    stocked = await served.kubectl("create", "configmap", "stock", f"--from-literal={SCARCE}=yes")
    assert stocked.code == 0, stocked.errors
    await until("an answer, once there is capacity", is_ready)
    claim = await claim_of(served, "scarce")
    deleted = await served.kubectl("delete", "workspace/scarce", "cm/stock", "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert holds(told, "Reconciling")
    assert not holds(told, "Stalled")
    assert len(await refusals(served) - before) == 1
    (attempt,) = told["status"]["attempts"]
    assert attempt["reason"] == "NeverLaunched"
    created = datetime.fromisoformat(claim["metadata"]["creationTimestamp"])
    assert created - datetime.fromisoformat(attempt["finishedAt"]) >= timedelta(seconds=10)


async def test_our_provisioner_beside_it_buys_nothing(served: Bystander) -> None:
    """One that runs signs in, and lists pools, sizes and usages; it names no pool to anybody."""
    back = await served.kubectl("scale", "deployment", "provisioner", OURS, "--replicas=1")
    assert back.code == 0, back.errors
    rolled = await served.kubectl("rollout", "status", "deployment/provisioner", OURS)
    assert rolled.code == 0, rolled.errors

    await bring_up(served, SERVED_BESIDE)
    status, answer = await served.chat({"prompt": "What is KAITO?"}, SERVED_BESIDE)
    managers = (await claim_of(served, SERVED_BESIDE))["metadata"]["managedFields"]
    deleted = await served.kubectl("delete", "workspace", SERVED_BESIDE, "--timeout=180s")

    assert status == 200, answer
    assert deleted.code == 0, deleted.errors
    assert {each["manager"] for each in managers} == {"kaito", "another"}
    assert await served.items(CLAIMS) == []
    assert await errands(served) == []
    assert await served.pools() == []


LATE = {"apps": "late", "tier": "gpu"}


async def node_of_ones_own(cluster: Bystander) -> str:
    """Name of a node with a GPU that somebody else has put into the cluster, once it is ready."""
    await (await Portal.beside(cluster)).create("late", "Standard_NC4as_T4_v3")

    async def joined() -> Json:
        found = await cluster.items("/api/v1/nodes", "kubernetes.azure.com/agentpool=late")
        return found[0] if found and holds(found[0], "Ready") else None

    return str((await until("the node", joined))["metadata"]["name"])


async def test_an_operator_that_buys_nothing_takes_a_node_once_it_is_labelled(
    served: Bystander,
) -> None:
    for words in (
        ("set", "env", "deployment/kaito", OURS, "KAITO_CLAIM_KIND=None"),
        ("rollout", "status", "deployment/kaito", OURS, "--timeout=180s"),
    ):
        done = await served.kubectl(*words)
        assert done.code == 0, done.errors
    node = await node_of_ones_own(served)
    wire = quick_start("late", resource={"labelSelector": {"matchLabels": LATE}})
    applied = await served.kubectl("apply", "-f", "-", stdin=wire)
    assert applied.code == 0, applied.errors

    async def told(words: str) -> Json:
        found = await served.workspace("late")
        return found if words in condition(found, "ResourceReady").get("message", "") else None

    found = await until("what is missing", lambda: told("0 of 1 nodes"))
    assert condition(found, "Ready")["reason"] == "NodesNotReady"
    assert condition(found, "Stalled") == {}
    assert "and none is bought: add one" in condition(found, "Ready")["message"]
    assert (await served.kubectl("label", "node", node, "apps=late")).code == 0
    assert await until("why", lambda: told(f"node {node} lacks the label tier=gpu"))
    assert (await served.kubectl("label", "node", node, "tier=gpu")).code == 0
    assert await until("the node in use", lambda: told("1 of 1 nodes are ready"))
    assert await served.machines("late") == await served.items(CLAIMS) == []
    deleted = await served.kubectl("delete", "workspace", "late", "--timeout=180s")
    assert deleted.code == 0, deleted.errors
