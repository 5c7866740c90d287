"""A node falls silent for good: it is given back, another takes its place, nothing is left over."""

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


async def test_nothing_stays_behind(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", WORKSPACE, "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await cluster.machines() == []
    assert await cluster.pools() == []
