"""Killed at any request for a pool, the leader is followed by another, who ends with that one pool.

Two replicas take turns; whoever leads is killed once on the way up and once on the way down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hack.cluster.arm.calls import Call
from tests.bystander import LIMIT_SECONDS, until
from tests.claims import MACHINE, NODE_CLAIM
from tests.provisioner.books import bought
from tests.provisioner.door import Moment, Trap
from tests.provisioner.replicas import Replicas
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

FOR_EVER = {"PROVISIONER_GARBAGE_AGE_SECONDS": "3600"}
"""No leftover is old enough: what goes is given back by its own claim."""

MOMENTS = list(Moment)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def replicas(cloud: Stack) -> AsyncIterator[Replicas]:
    """Two of them, and nobody else."""
    await cloud.stop()
    pair = Replicas(cloud, FOR_EVER)
    kill, cloud.door.kill = cloud.door.kill, pair.kill
    yield pair
    cloud.door.kill = kill
    cloud.door.trap = None
    await pair.stop()


@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=[str(each) for each in MOMENTS])
async def test_a_leader_that_is_killed_leaves_one_pool_and_then_none(
    replicas: Replicas, number: int
) -> None:
    stack, moment = replicas.stack, MOMENTS[number]
    names = {MACHINE: f"turn{number}a", NODE_CLAIM: f"turn{number}b"}
    claims = [kind.claim(name) for kind, name in names.items()]
    earlier = len(await stack.see.journal())
    await replicas.fill()

    stack.door.trap = Trap(Call.PUT, moment, names[MACHINE])
    await stack.apply(*claims)
    await succeeded(replicas)
    await stack.until_ready(*names.items())
    assert sorted(stack.states()) == sorted(names.values())
    stack.door.trap = Trap(Call.DELETE, moment, names[MACHINE])
    await stack.delete(*claims, wait=False)
    await succeeded(replicas)
    await until("all to be given back", lambda: stack.lacks(*names.values()))

    assert stack.states() == {}
    journal = (await stack.see.journal())[earlier:]
    assert [bought(journal, name) for name in names.values()] == [1, 1]
    assert len(replicas.led) >= 2


async def succeeded(replicas: Replicas) -> None:
    """Wait until the leader is dead, and the other one leads beside a third."""
    trap = replicas.stack.door.trap
    assert trap
    async with asyncio.timeout(LIMIT_SECONDS):
        await trap.sprung.wait()
    await replicas.bury()
    await replicas.fill()
