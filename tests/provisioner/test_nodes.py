"""A pool has one node, which tells that its machine runs; one that has more goes with them all."""

from __future__ import annotations

import pytest

from tests.bystander import until
from tests.claims import MACHINE, NODE_CLAIM
from tests.provisioner.books import accepted
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

LASTING_SECONDS = 120.0
"""How long ARM goes on with a pool whose machine runs already."""


async def nodes(stack: Stack) -> set[str]:
    """Names of the Nodes of agent pools."""
    found = await stack.see.items("/api/v1/nodes", "kaito.sh/machine-type")
    return {each["metadata"]["name"] for each in found}


async def test_a_pool_that_somebody_scales_is_told_of_and_goes_with_all_its_nodes(
    stack: Stack,
) -> None:
    await stack.start(PROVISIONER_GARBAGE_AGE_SECONDS="3600")
    await stack.apply(NODE_CLAIM.claim("scaled"))
    await stack.until_ready((NODE_CLAIM, "scaled"))

    await stack.portal.scale("scaled", stack.door.fleet().pools["scaled"].properties, count=2)
    told = await stack.until_told(NODE_CLAIM, "scaled", "Registered", "MultipleNodesFound")
    joined = await nodes(stack)
    await stack.delete(NODE_CLAIM.claim("scaled"))

    assert told["status"] == "False"
    assert len(joined) == 2
    assert all(name in told["message"] for name in joined)
    assert await nodes(stack) == set()
    assert stack.states() == {}
    by_us = [each for each in await stack.asked("PUT", "scaled") if each["ifNoneMatch"]]
    assert len(accepted(by_us, "PUT", "scaled")) == 1


async def test_a_claim_is_ready_with_its_node_although_arm_is_not_done_and_gives_the_pool_back(
    stack: Stack,
) -> None:
    lasting = {"seconds": LASTING_SECONDS, "bootSeconds": 0.2}
    stack.play({"fault": "stuck-creating", "match": {"pool": "lasting"}, **lasting})
    await stack.start(PROVISIONER_GARBAGE_AGE_SECONDS="3600")
    await stack.apply(MACHINE.claim("lasting"))

    await stack.until_ready((MACHINE, "lasting"))
    states = stack.states()
    await stack.delete(MACHINE.claim("lasting"), wait=False)
    await stack.until_told(MACHINE, "lasting", "Ready", "OperationInProgress")
    stack.door.ahead_seconds += LASTING_SECONDS

    async def is_gone() -> bool:
        return await stack.lacks("lasting")

    await until("the pool and the claim to be gone", is_gone)
    assert states == {"lasting": "Creating"}
    assert await nodes(stack) == set()
    assert len(await stack.asked("PUT", "lasting")) == 1
    assert [each["status"] for each in await stack.asked("DELETE", "lasting")] == [409, 202]
