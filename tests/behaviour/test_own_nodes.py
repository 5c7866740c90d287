"""Nodes that the user brings, of a type that no table has: what their labels say is believed."""

from __future__ import annotations

import json
from functools import partial

import pytest
import pytest_asyncio

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
PIN = "kaito.sh/workspace-uid"
BYPASS = {"kaito.sh/bypass-resource-checks": "true"}


async def brought(cluster: Bystander, **pools: Json) -> list[Json]:
    """Nodes that somebody else has put into the cluster: one a pool, with these labels."""
    size = {"count": 1, "vmSize": "Standard_NC4as_T4_v3"}
    wanted = {name: {**size, "nodeLabels": each} for name, each in pools.items()}
    await (await Portal.beside(cluster)).create_all(wanted)

    async def joined() -> list[Json]:
        found = await cluster.items("/api/v1/nodes", f"agentpool in ({','.join(pools)})")
        return found if [holds(each, "Ready") for each in found] == [True] * len(pools) else []

    return await until("the nodes", joined)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rack(cluster: Bystander) -> Json:
    """A node that somebody else has put into the cluster, of a type of its own; and a tiny one."""
    found = await brought(cluster, rack=LABELS, hut=TINY)
    nodes = {one["metadata"]["labels"]["apps"]: one for one in found}
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


async def pinned(cluster: Bystander) -> dict[str, str]:
    """The uid that each node carries which pods are pinned to."""
    found = await cluster.items("/api/v1/nodes", PIN)
    return {one["metadata"]["name"]: one["metadata"]["labels"][PIN] for one in found}


async def homes(cluster: Bystander, name: str) -> list[str]:
    """Nodes that the pods of a workspace are on."""
    return [str(pod["spec"].get("nodeName")) for pod in await cluster.pods(name)]


async def test_two_workspaces_share_out_the_nodes_that_both_select_as_they_prefer(
    cluster: Bystander, rack: Json
) -> None:
    second = await brought(cluster, shelf=LABELS)
    later, earlier = sorted((one["metadata"]["name"] for one in (rack, *second)), reverse=True)
    resource = {**RESOURCE, "preferredNodes": [later]}
    for name, wanted in (("choosy", resource), ("humble", RESOURCE)):
        applied = await cluster.kubectl("apply", "-f", "-", stdin=wish(name, wanted, {}))
        assert applied.code == 0, applied.errors
        await until(f"{name} to be ready", partial(ready, cluster, name))

    choosy, humble = await ready(cluster, "choosy"), await ready(cluster, "humble")
    assert choosy["status"]["workerNodes"] == await homes(cluster, "choosy") == [later]
    assert humble["status"]["workerNodes"] == await homes(cluster, "humble") == [earlier]
    uids = {later: choosy["metadata"]["uid"], earlier: humble["metadata"]["uid"]}
    assert await pinned(cluster) == uids
    assert await cluster.machines("choosy") == await cluster.machines("humble") == []


async def test_a_workspace_that_goes_takes_its_label_off_and_no_other(
    cluster: Bystander, rack: Json
) -> None:
    humble = await cluster.workspace("humble")

    await given_back(cluster, "choosy")

    assert list((await pinned(cluster)).values()) == [humble["metadata"]["uid"]]
    await given_back(cluster, "humble")
    assert await pinned(cluster) == {}
    await (await Portal.beside(cluster)).delete("shelf")

    async def alone() -> bool:
        return len(await cluster.items("/api/v1/nodes", "apps=rack")) == 1

    await until("the other node to be gone", alone)


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
