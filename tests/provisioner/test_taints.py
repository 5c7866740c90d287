"""Taints that a node starts with: put on once, and waited for until whoever owns them is done."""

from __future__ import annotations

import pytest

from tests.bystander import until
from tests.claims import KINDS, Kind
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

STARTUP = {"key": "example.com/agent-not-ready", "value": "true", "effect": "NoSchedule"}
STAYING = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_claim_is_ready_when_its_startup_taint_was_taken_off(
    stack: Stack, kind: Kind
) -> None:
    claim = kind.claim("starting", startupTaints=[STARTUP], taints=[STAYING])
    await stack.start()
    await stack.apply(claim)
    told = await stack.until_told(kind, "starting", "Initialized", "StartupTaintsExist")
    assert told["status"] == "Unknown"
    node = (await stack.claim(kind, "starting"))["status"]["nodeName"]

    async def taints() -> set[tuple[str, str]]:
        found = await stack.see.get(f"/api/v1/nodes/{node}")
        return {(each["key"], each["effect"]) for each in found["spec"].get("taints", ())}

    assert await taints() == {("sku", "NoSchedule"), ("example.com/agent-not-ready", "NoSchedule")}

    untainted = await stack.see.kubectl("taint", "node", node, "example.com/agent-not-ready-")
    assert untainted.code == 0, untainted.errors
    await stack.until_ready((kind, "starting"))
    assert await until("the pool's taint alone to be left", taints) == {("sku", "NoSchedule")}
    await stack.delete(claim)
