"""What can go wrong after a good spec: the Workspace tells the cause, and recovers by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.bystander import Bystander, Json, condition, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


def told(cluster: Bystander, name: str, type_: str, reason: str) -> Callable[[], Awaitable[Json]]:
    """A look for a condition with a reason."""

    async def look() -> Json:
        found = condition(await cluster.workspace(name), type_)
        return found if found.get("reason") == reason else None

    return look


async def test_a_missing_quota_is_told_with_its_numbers(cluster: Bystander) -> None:
    await cluster.play({"match": {"operation": "PUT"}, "fault": "quota"})
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start("poor"))
    assert applied.code == 0, applied.errors

    found = await until("the quota", told(cluster, "poor", "MachineReady", "MachineFailed"))

    assert found["status"] == "False"
    assert "quota" in found["message"].lower()
    assert "standardNCSv3Family" in found["message"]
    assert await cluster.pools() == []


async def test_a_workspace_without_quota_can_be_deleted(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", "poor", "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await cluster.machines("poor") == []
    await cluster.play()


async def test_an_image_that_cannot_be_pulled_is_told(cluster: Bystander) -> None:
    preset = {
        "name": "phi-3-mini-4k-instruct",
        "accessMode": "private",
        "presetOptions": {"image": "registry.example/no-such-model:1"},
    }
    text = quick_start("imageless", inference={"preset": preset})
    applied = await cluster.kubectl("apply", "-f", "-", stdin=text)
    assert applied.code == 0, applied.errors

    found = await until("the image", told(cluster, "imageless", "InferenceReady", "ImagePullError"))

    assert found["status"] == "False"
    assert "registry.example/no-such-model:1" in found["message"]
    assert holds(await cluster.workspace("imageless"), "ResourceReady")
    deleted = await cluster.kubectl("delete", "workspace", "imageless", "--timeout=180s")
    assert deleted.code == 0, deleted.errors
    assert await cluster.pools() == []
