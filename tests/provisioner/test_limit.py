"""More machines at once than the cluster has room for agent pools."""

from __future__ import annotations

import pytest

from hack.cluster.arm.provider import MAX_POOLS
from tests.bystander import Json, condition, holds, until
from tests.claims import KINDS, VM_SIZE
from tests.provisioner.books import accepted, requests
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

ROOM, CLAIMS = 6, 14


async def test_those_beyond_the_last_pool_say_so_and_never_ask_for_one(stack: Stack) -> None:
    others = [f"other{number:02d}" for number in range(MAX_POOLS - 1 - ROOM)]
    names = [f"crowd{number:02d}" for number in range(CLAIMS)]
    kinds = {name: KINDS[place % len(KINDS)] for place, name in enumerate(names)}
    claims = [kinds[name].claim(name) for name in names]
    await stack.portal.create_all({name: {"count": 1, "vmSize": VM_SIZE} for name in others})
    await stack.start()
    await stack.ready()
    await stack.apply(*claims)

    async def told() -> Json:
        found = {}
        for name, kind in kinds.items():
            claim = await stack.claim(kind, name)
            launch = condition(claim, kind.condition("Launched"))
            if holds(claim, "Ready") or launch.get("reason") == "AgentPoolLimit":
                found[name] = str(launch.get("message"))
        return found if len(found) == CLAIMS else None

    said = await until("each claim to be Ready or told of the limit", told)
    bought = names_of_ours(stack)
    journal = await stack.see.journal()
    full = [message for name, message in said.items() if name not in bought]

    assert len(bought) == ROOM
    assert [message for message in full if "use a further cluster" not in message] == []
    assert all(len(accepted(journal, "PUT", name)) == 1 for name in bought)
    assert [name for name in names if name not in bought and requests(journal, "PUT", name)] == []
    await stack.delete(*claims)


def names_of_ours(stack: Stack) -> set[str]:
    """The claims that have a pool."""
    return {name for name in stack.states() if name.startswith("crowd")}
