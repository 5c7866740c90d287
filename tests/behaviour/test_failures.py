"""What can go wrong after a good spec: the Workspace tells the cause, and recovers by itself."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from hack.cluster.kubelet.machine import NO_PLUGIN, PLUGIN
from tests.bystander import Bystander, Json, condition, holds, quick_start, until

TIGHT = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {
        "name": "tight",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    },
}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


def told(cluster: Bystander, name: str, type_: str, reason: str) -> Callable[[], Awaitable[Json]]:
    """A look for a condition with a reason."""

    async def look() -> Json:
        found = condition(await cluster.workspace(name), type_)
        return found if found.get("reason") == reason else None

    return look


async def test_a_missing_quota_is_told_with_its_numbers(cluster: Bystander) -> None:
    await cluster.play(quotas={"standardNCSv3Family": 5})
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start("poor"))
    assert applied.code == 0, applied.errors

    found = await until("the quota", told(cluster, "poor", "MachineReady", "MachineFailed"))

    assert found["status"] == "False"
    assert "quota" in found["message"].lower()
    assert "standardNCSv3Family" in found["message"]
    assert "requested 6, remaining 5" in found["message"], "an NC6s_v3 has six vCPUs"
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


async def test_a_claim_waits_for_a_quota_that_is_to_be_raised(cluster: Bystander) -> None:
    await cluster.play(quotas={"standardNCSv3Family": 5})
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start("patient"))
    assert applied.code == 0, applied.errors

    found = await until("the quota", told(cluster, "patient", "MachineReady", "MachineFailed"))

    assert "requested 6, remaining 5" in found["message"]
    assert holds(await cluster.workspace("patient"), "Stalled")
    await cluster.play()


async def test_where_restricted_is_enforced_the_quick_start_answers(cluster: Bystander) -> None:
    assert (await cluster.kubectl("apply", "-f", "-", stdin=json.dumps(TIGHT))).code == 0
    text = quick_start("strict")
    applied = await cluster.kubectl("apply", "-n", "tight", "-f", "-", stdin=text)
    assert applied.code == 0, applied.errors

    async def is_ready() -> bool:
        return holds(await cluster.workspace("strict", "tight"), "Ready")

    assert await until("the model", is_ready)


async def test_pods_that_want_more_than_that_are_refused_with_the_rule(
    cluster: Bystander,
) -> None:
    template = {"spec": {"containers": [{"name": "server", "image": "local/shell:1"}]}}
    text = quick_start("loose", inference={"template": template})
    applied = await cluster.kubectl("apply", "-n", "tight", "-f", "-", stdin=text)
    assert applied.code == 0, applied.errors

    async def refused() -> Json:
        found = condition(await cluster.workspace("loose", "tight"), "InferenceReady")
        return found if found.get("reason") == "PodsRefused" else None

    message = (await until("that its pods are refused", refused))["message"]
    assert 'violates PodSecurity "restricted:latest"' in message
    assert "runAsNonRoot != true" in message
    words = ("delete", "workspace", "-n", "tight", "strict", "loose", "--timeout=180s")
    deleted = await cluster.kubectl(*words)
    assert deleted.code == 0, deleted.errors


async def test_a_gpu_that_never_appears_is_told_and_awaited(cluster: Bystander) -> None:
    selector = {"matchLabels": {"apps": "bare", NO_PLUGIN: "true"}}
    resource = {"instanceType": "Standard_NC6s_v3", "labelSelector": selector}
    applied = await cluster.kubectl(
        "apply", "-f", "-", stdin=quick_start("bare", resource=resource)
    )
    assert applied.code == 0, applied.errors

    async def silent_plugin() -> Json:
        found = condition(await cluster.workspace("bare"), "MachineReady")
        return found if "does not report nvidia.com/gpu" in found.get("message", "") else None

    found = await until("the GPU that is missing", silent_plugin)
    assert found["status"] == "False"
    assert "the NVIDIA device plugin does that" in found["message"]
    ready = condition(await cluster.workspace("bare"), "Ready")
    assert (ready["status"], ready["message"]) == ("False", found["message"])


async def test_once_a_device_plugin_reports_the_gpu_the_model_answers(cluster: Bystander) -> None:
    selected = await cluster.items("/api/v1/nodes", "apps=bare")
    node = selected[0]["metadata"]["name"]
    assert (await cluster.kubectl("annotate", "node", node, f"{PLUGIN}=installed")).code == 0

    async def is_ready() -> bool:
        return holds(await cluster.workspace("bare"), "Ready")

    assert await until("the model", is_ready)
    deleted = await cluster.kubectl("delete", "workspace", "bare", "--timeout=180s")
    assert deleted.code == 0, deleted.errors


async def test_a_quota_that_was_raised_meanwhile_is_noticed_by_itself(cluster: Bystander) -> None:
    async def is_ready() -> bool:
        return holds(await cluster.workspace("patient"), "Ready")

    assert await until("the model", is_ready)
    workspace = await cluster.workspace("patient")
    assert workspace["metadata"]["generation"] == 1, "nobody has touched its spec"
    assert condition(workspace, "Stalled") == {}
    assert "attempts" not in workspace["status"]
    (claim,) = await cluster.machines("patient")
    assert claim["metadata"]["annotations"]["kaito.sh/claim"] == "0/0"
    deleted = await cluster.kubectl("delete", "workspace", "patient", "--timeout=180s")
    assert deleted.code == 0, deleted.errors
