"""Nodes that the user brings, of a type that no table has: what their labels say is believed."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from hack.cluster.layout import FEDERATED_AUDIENCE
from tests.bystander import Bystander, Json, condition, holds, quick_start, until
from tests.provisioner.portal import Portal

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TYPE = "rack-9"
LABELS = {"apps": "rack", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "20480"}
"""The last two are what GPU feature discovery says."""
TINY = {"apps": "hut", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "2048"}
SMALLEST = "Standard_NC4as_T4_v3"
"""The first of the table on which the quick start's model fits, and which is still sold."""
RESOURCE = {"labelSelector": {"matchLabels": {"apps": "rack"}}}
NAMED = {**RESOURCE, "instanceType": TYPE}
BYPASS = {"kaito.sh/bypass-resource-checks": "true"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rack(cluster: Bystander) -> Json:
    """A node that somebody else has put into the cluster, of a type of its own; and a tiny one."""
    words = ("create", "token", "provisioner", "--namespace=kaito-system")
    made = await cluster.kubectl(*words, f"--audience={FEDERATED_AUDIENCE}")
    assert made.code == 0, made.errors
    portal = Portal(cluster.layout, made.output.strip())
    size = {"count": 1, "vmSize": "Standard_NC4as_T4_v3"}
    pools = {"rack": {**size, "nodeLabels": LABELS}, "hut": {**size, "nodeLabels": TINY}}
    await portal.create_all(pools)

    async def joined() -> list[Json]:
        found = await cluster.items("/api/v1/nodes", "apps in (hut,rack)")
        return found if [holds(each, "Ready") for each in found] == [True, True] else []

    nodes = {one["metadata"]["labels"]["apps"]: one for one in await until("both nodes", joined)}
    for name, type_ in (("rack", TYPE), ("hut", "hut-1")):
        label = f"node.kubernetes.io/instance-type={type_}"
        node = nodes[name]["metadata"]["name"]
        labelled = await cluster.kubectl("label", "node", node, label, "--overwrite")
        assert labelled.code == 0, labelled.errors
    return nodes["rack"]


def wish(name: str, resource: Json, annotations: Json) -> str:
    """The quick start under another name, on nodes of one's own."""
    wire = json.loads(quick_start(name, resource=resource))
    return json.dumps({**wire, "metadata": {"name": name, "annotations": annotations}})


async def ready(cluster: Bystander, name: str) -> Json:
    """The workspace once it is ready, None until then."""
    found = await cluster.workspace(name)
    return found if holds(found, "Ready") else None


async def given_back(cluster: Bystander, name: str) -> None:
    deleted = await cluster.kubectl("delete", "workspace", name, "--timeout=180s")
    assert deleted.code == 0, deleted.errors


async def test_admission_cannot_see_nodes_and_says_so(cluster: Bystander, rack: Json) -> None:
    refused = await cluster.kubectl("apply", "-f", "-", stdin=wish("unseen", NAMED, {}))

    assert refused.code != 0
    assert f"{TYPE} is not in the table" in refused.errors


async def test_a_model_serves_on_a_node_whose_type_nobody_knows(
    cluster: Bystander, rack: Json
) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=wish("racked", NAMED, BYPASS))
    assert applied.code == 0, applied.errors

    found = await until("racked to be ready", lambda: ready(cluster, "racked"))

    name = rack["metadata"]["name"]
    assert found["status"]["workerNodes"] == [name]
    assert await cluster.machines("racked") == []
    said = condition(found, "ResourceReady")["message"]
    assert f"fits 1 node of {TYPE}: it uses 1 of 1 GPU" in said
    assert "of 20 GiB on each" in said
    assert said.endswith(f"; so node {name} says, not the table")
    status, answer = await cluster.chat({"prompt": "What is KAITO?"}, "racked")
    assert status == 200, answer
    await given_back(cluster, "racked")


async def test_a_node_of_ones_own_outlives_its_workspace(cluster: Bystander, rack: Json) -> None:
    found = await cluster.get(f"/api/v1/nodes/{rack['metadata']['name']}")

    assert found["metadata"]["uid"] == rack["metadata"]["uid"]
    assert {pool["pool"] for pool in await cluster.pools()} == {"hut", "rack"}


async def test_where_its_labels_say_that_it_is_too_small_another_is_bought(
    cluster: Bystander, rack: Json
) -> None:
    resource = {"labelSelector": {"matchLabels": {"apps": "hut"}}}
    applied = await cluster.kubectl("apply", "-f", "-", stdin=wish("picky", resource, {}))
    assert applied.code == 0, applied.errors

    async def has_bought() -> list[Json]:
        return await cluster.machines("picky")

    (claim,) = await until("a claim", has_bought)
    wanted = {one["key"]: one["values"] for one in claim["spec"]["requirements"]}
    assert wanted["node.kubernetes.io/instance-type"] == [SMALLEST]

    async def recorded() -> str:
        return str((await cluster.workspace("picky"))["status"].get("instanceType", ""))

    assert await until("the type on record", recorded) == SMALLEST
    await given_back(cluster, "picky")


async def test_where_no_type_is_named_it_is_taken_before_one_is_bought(
    cluster: Bystander, rack: Json
) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=wish("choiceless", RESOURCE, {}))
    assert applied.code == 0, applied.errors

    async def has_nodes() -> Json:
        found = await cluster.workspace("choiceless")
        return found if holds(found, "ResourceReady") else None

    found = await until("its node", has_nodes)
    assert found["status"]["workerNodes"] == [rack["metadata"]["name"]]
    assert await cluster.machines("choiceless") == []


async def test_it_can_go_where_nobody_knows_what_a_claim_is(cluster: Bystander, rack: Json) -> None:
    kinds = ("machines.karpenter.sh", "nodeclaims.karpenter.sh")
    removed = await cluster.kubectl("delete", "customresourcedefinition", *kinds)
    assert removed.code == 0, removed.errors

    await given_back(cluster, "choiceless")

    assert await cluster.workspace("choiceless") is None
    assert await cluster.get(f"/api/v1/nodes/{rack['metadata']['name']}")
