"""A node falls silent for good, or is deleted: another takes its place, nothing is left over."""

from __future__ import annotations

import pytest

from hack.cluster.kubelet.node import HUNG
from tests.behaviour.history import recorded
from tests.bystander import WORKSPACE, Bystander, Json, condition, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

LOST_SECONDS = 3
"""In place of the ten minutes of the default, counted from when Kubernetes sees the silence."""


async def answering(cluster: Bystander) -> Json:
    """The workspace once it is ready, None until then."""
    found = await cluster.workspace()
    return found if holds(found, "Ready") else None


async def test_a_node_that_falls_silent_is_replaced(cluster: Bystander) -> None:
    for words in (
        ("set", "env", "deployment/kaito", f"KAITO_NODE_LOST_SECONDS={LOST_SECONDS}"),
        ("rollout", "status", "deployment/kaito", "--timeout=180s"),
    ):
        done = await cluster.kubectl(*words, "--namespace=kaito-system")
        assert done.code == 0, done.errors
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start(WORKSPACE))
    assert applied.code == 0, applied.errors
    before = await until("a first answer", lambda: answering(cluster))
    (silent,) = before["status"]["workerNodes"]
    (claim,) = await cluster.machines()

    async def on_record() -> Json:
        return (await cluster.workspace())["status"].get("attempts")

    async def followed() -> Json:
        found = await answering(cluster)
        return found if found and found["status"]["workerNodes"] != [silent] else None

    async with recorded(cluster) as history:
        hung = await cluster.kubectl("annotate", "node", silent, f"{HUNG}=true")
        assert hung.code == 0, hung.errors
        (attempt,) = await until("the loss on record", on_record)
        after = await until("another answer", followed)

    assert "NodesNotReady" in history.reasons(WORKSPACE, "ResourceReady")
    assert attempt["reason"] == "NodeLost"
    assert attempt["message"].startswith(f"node {silent} has not been ready since ")
    (other,) = await cluster.machines()
    assert other["metadata"]["name"] != claim["metadata"]["name"]
    assert [pool["pool"] for pool in await cluster.pools()] == [other["metadata"]["name"]]
    assert after["status"]["workerNodes"] == [other["status"]["nodeName"]]
    assert condition(after, "Stalled") == {}
    assert (await cluster.chat({"prompt": "What is KAITO?"}))[0] == 200


async def test_a_node_that_somebody_deletes_is_replaced(cluster: Bystander) -> None:
    (deleted,) = (await cluster.workspace())["status"]["workerNodes"]
    pods = [one for one in await cluster.pods() if one["spec"].get("nodeName") == deleted]
    (name,) = [one["metadata"]["name"] for one in pods]

    async def stranded() -> bool:
        """Whether it is said; on a slow machine Kubernetes has given the pod up before."""
        found = condition(await cluster.workspace(), "Ready")
        said = f"pod {name} is on node {deleted}, which is gone" in found["message"]
        return said or bool(await followed())

    async def followed() -> Json:
        found = await answering(cluster)
        return found if found and found["status"]["workerNodes"] != [deleted] else None

    async with recorded(cluster) as history:
        gone = await cluster.kubectl("delete", "node", deleted)
        assert gone.code == 0, gone.errors
        await until("that the pod went with its node", stranded)
        # Kubernetes does the same by itself, a minute later.
        force = ("--force", "--grace-period=0", "--ignore-not-found")
        forced = await cluster.kubectl("delete", "pod", name, *force)
        assert forced.code == 0, forced.errors
        after = await until("another answer", followed)

    homes = {one["spec"].get("nodeName") for one in await cluster.pods()}
    assert set(after["status"]["workerNodes"]) <= homes - {deleted}
    said = history.told(WORKSPACE, "Ready")
    assert "NodesNotReady" in [reason for reason, _ in said]
    assert any(deleted in message for _, message in said)
    (other,) = await cluster.machines()
    assert [pool["pool"] for pool in await cluster.pools()] == [other["metadata"]["name"]]
    assert (await cluster.chat({"prompt": "What is KAITO?"}))[0] == 200


async def test_nothing_stays_behind(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", WORKSPACE, "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await cluster.machines() == []
    assert await cluster.pools() == []
