"""A pool has one node; one that has more says so, and goes with all of them."""

from __future__ import annotations

import pytest

from tests.claims import NODE_CLAIM
from tests.provisioner.books import accepted
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


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
