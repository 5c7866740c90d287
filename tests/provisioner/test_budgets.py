"""A PodDisruptionBudget holds a machine for as long as the deadline lets it, and is told by name.

The budgets are counted by the real controller, and the real API server refuses the evictions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import pytest_asyncio

from tests.bystander import Json, until
from tests.claims import MACHINE, NODE_CLAIM, Kind
from tests.provisioner.books import accepted, requests
from tests.provisioner.budgets import Guarded, built_in
from tests.provisioner.stack import Stack
from tests.provisioner.witness import watching

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

PATIENT = {"PROVISIONER_DRAIN_DEADLINE_SECONDS": "600"}
DEADLINE_SECONDS = 6
HASTY = {"PROVISIONER_DRAIN_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with budgets that count."""
    async with built_in(stack):
        yield stack


@pytest.mark.parametrize(
    ("kind", "name", "budget"),
    [(MACHINE, "firm", {"maxUnavailable": 0}), (NODE_CLAIM, "least", {"minAvailable": 1})],
    ids=["maxUnavailable", "minAvailable"],
)
async def test_a_budget_is_obeyed_until_it_lets_the_pod_go(
    guarded: Stack, kind: Kind, name: str, budget: Json
) -> None:
    node, pods = await serving(guarded, kind, name, budget, PATIENT)

    await guarded.delete(kind.claim(name), wait=False)
    told = await until("the budget's name", lambda: blamed(guarded, kind, name))
    await looked_again(guarded, times=4)
    held = await pods.pods_on(node)
    deletions = await guarded.asked("DELETE", name)
    await pods.allow()
    await until("the eviction", pods.end)
    await until("the claim's release", lambda: is_gone(guarded, kind, name))

    assert told["reason"] == "Draining"
    assert len(held) == 1
    assert held[0] in told["message"]
    assert deletions == []
    assert await pods.pods_on(node) == []
    assert guarded.states() == {}
    await pods.remove()


async def test_a_budget_is_obeyed_no_longer_than_the_deadline(guarded: Stack) -> None:
    node, pods = await serving(guarded, MACHINE, "hasty", {"maxUnavailable": 0}, HASTY)

    async with watching(guarded.client) as witness:
        await guarded.delete(MACHINE.claim("hasty"), wait=False)
        claim = await guarded.claim(MACHINE, "hasty")
        await until("the claim's release", lambda: is_gone(guarded, MACHINE, "hasty"))

    deleted = datetime.fromisoformat(claim["metadata"]["deletionTimestamp"])
    (request,) = accepted(await guarded.see.journal(), "DELETE", "hasty")
    waited = datetime.fromisoformat(request["time"]) - deleted
    last = witness.first("hasty", "Terminating")
    assert waited.total_seconds() >= DEADLINE_SECONDS
    assert last is not None
    assert "the drain ended at its deadline" in last.message
    assert f"disruption budget {pods.name} " in last.message
    assert len(await pods.pods_on(node)) == 1
    assert guarded.states() == {}
    await pods.remove()


async def serving(
    stack: Stack, kind: Kind, name: str, budget: Json, settings: dict[str, str]
) -> tuple[str, Guarded]:
    """The node of a claim that is Ready, and a guarded pod on it."""
    await stack.start(**settings)
    await stack.apply(kind.claim(name))
    await stack.until_ready((kind, name))
    node = str((await stack.claim(kind, name))["status"]["nodeName"])
    pods = Guarded(stack, f"of-{name}")
    await pods.run(node, **budget)
    return node, pods


async def blamed(stack: Stack, kind: Kind, name: str) -> Json:
    """The condition that says which budget holds the machine, once it does."""
    claim = await stack.claim(kind, name)
    told = [each for each in claim["status"]["conditions"] if each["type"] == "Ready"]
    return next((each for each in told if f"budget of-{name} " in each["message"]), None)


async def looked_again(stack: Stack, *, times: int) -> None:
    """Wait for so many further lists of the pools."""
    before = len(requests(await stack.see.journal(), "LIST", ""))

    async def has_looked() -> bool:
        return len(requests(await stack.see.journal(), "LIST", "")) >= before + times

    await until("more lists", has_looked)


async def is_gone(stack: Stack, kind: Kind, name: str) -> bool:
    """Whether the claim is released."""
    return await stack.claim(kind, name) is None
