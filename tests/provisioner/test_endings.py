"""However a claim ends, its pool goes first; what was not ours stays."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.bystander import Json, holds, until
from tests.claims import MACHINE, NODE_CLAIM, VM_SIZE, Kind
from tests.provisioner.books import CLOCKS_SECONDS, PAUSES, accepted, gaps
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

FOR_EVER = {"PROVISIONER_GARBAGE_AGE_SECONDS": "3600"}
"""No leftover is old enough: what goes is given back by its own claim."""


async def test_a_pool_that_is_being_created_is_asked_to_go_until_it_may(stack: Stack) -> None:
    stack.play({"fault": "stuck-creating", "match": {"pool": "young"}, "seconds": 9})
    await stack.start(**FOR_EVER)
    claim = MACHINE.claim("young")
    await stack.apply(claim)
    await stack.until_told(MACHINE, "young", "Launched", "Launching")

    await stack.delete(claim, wait=False)
    told = await stack.until_told(MACHINE, "young", "Ready", "OperationInProgress")
    await released(stack, MACHINE, "young")

    assert "in progress" in told["message"]
    deletions = await stack.asked("DELETE", "young")
    assert [each["status"] for each in deletions] == [409, 202]
    assert gaps(deletions)[0] >= PAUSES[HTTPStatus.CONFLICT] - CLOCKS_SECONDS
    assert await bought_once(stack, "young")


async def test_a_claim_stays_until_its_pool_is_gone(stack: Stack) -> None:
    stack.play({"fault": "stuck-deleting", "match": {"pool": "clinging"}, "seconds": 4})
    await stack.start(**FOR_EVER)
    claim = NODE_CLAIM.claim("clinging")
    await stack.apply(claim)
    await stack.until_ready((NODE_CLAIM, "clinging"))

    await stack.delete(claim, wait=False)
    together = await released(stack, NODE_CLAIM, "clinging")

    assert together, "the claim went before its pool"
    assert len(await stack.asked("DELETE", "clinging")) == 1


async def test_a_claim_that_never_launched_is_released_at_once(stack: Stack) -> None:
    stack.play({"fault": "quota", "match": {"pool": "penniless"}})
    await stack.start(**FOR_EVER)
    claim = NODE_CLAIM.claim("penniless")
    await stack.apply(claim)
    await stack.until_told(NODE_CLAIM, "penniless", "Launched", "QuotaExceeded")

    await stack.delete(claim)

    assert await stack.claim(NODE_CLAIM, "penniless") is None
    assert len(await stack.asked("PUT", "penniless")) == 1
    assert await stack.asked("DELETE", "penniless") == []


@pytest.mark.parametrize("fault", ["cluster-missing", "denied", "unavailable", "drop"])
async def test_no_list_is_no_news_of_a_pool(stack: Stack, fault: str) -> None:
    running, going = f"running{fault[:3]}", f"going{fault[:3]}"
    await stack.start(**FOR_EVER)
    await stack.apply(MACHINE.claim(running), MACHINE.claim(going))
    await stack.until_ready((MACHINE, running), (MACHINE, going))

    stack.play({"fault": fault, "match": {"operation": "LIST|DELETE"}})
    await stack.delete(MACHINE.claim(going), wait=False)
    await asked_again(stack, "LIST", times=4)
    during = await stack.claim(MACHINE, running), await stack.claim(MACHINE, going)
    pools = stack.states()
    stack.play()
    await until("the pool to go", lambda: lacks(stack, going))

    assert holds(during[0], "Ready")
    assert during[1] is not None
    assert {running, going} <= pools.keys()
    await stack.delete(MACHINE.claim(running), MACHINE.claim(going))
    assert await bought_once(stack, running)


async def test_a_node_that_somebody_deletes_is_missed_and_not_bought_again(stack: Stack) -> None:
    await stack.start(**FOR_EVER)
    await stack.apply(MACHINE.claim("unmoored"))
    await stack.until_ready((MACHINE, "unmoored"))
    node = (await stack.claim(MACHINE, "unmoored"))["status"]["nodeName"]

    await stack.client.delete(NODES, Ref("", node))
    told = await stack.until_told(MACHINE, "unmoored", "Registered", "NodeGone")

    assert told["status"] == "False"
    assert node in told["message"]
    assert "delete the claim; a new one gets a new pool" in told["message"]
    await stack.delete(MACHINE.claim("unmoored"))
    assert await bought_once(stack, "unmoored")


async def test_a_pool_that_somebody_deletes_is_missed_and_not_bought_again(stack: Stack) -> None:
    await stack.start(**FOR_EVER)
    await stack.apply(NODE_CLAIM.claim("robbed"))
    await stack.until_ready((NODE_CLAIM, "robbed"))

    await stack.portal.delete("robbed")
    told = await stack.until_told(NODE_CLAIM, "robbed", "Launched", "InstanceGone")

    assert told["status"] == "False"
    assert not holds(await stack.claim(NODE_CLAIM, "robbed"), "Ready")
    assert "Delete the claim; a new one gets a new pool" in told["message"]
    await stack.delete(NODE_CLAIM.claim("robbed"))
    assert await bought_once(stack, "robbed")


async def test_a_pool_of_that_name_that_is_not_ours_is_left_alone(stack: Stack) -> None:
    await stack.portal.create("theirs", VM_SIZE)
    await stack.start(PROVISIONER_GARBAGE_AGE_SECONDS="0")
    await stack.apply(MACHINE.claim("theirs"))

    told = await stack.until_told(MACHINE, "theirs", "Launched", "NameTaken")
    await stack.delete(MACHINE.claim("theirs"))

    assert "was not created for this claim" in told["message"]
    assert stack.states() == {"theirs": "Succeeded"}
    await stack.portal.delete("theirs")


async def test_a_pool_whose_claim_was_torn_away_is_told_of_and_then_removed(stack: Stack) -> None:
    await stack.start(**FOR_EVER)
    await stack.apply(MACHINE.claim("orphan"))
    await stack.until_ready((MACHINE, "orphan"))
    await stack.stop()
    await stack.tear(MACHINE, "orphan")

    await stack.start(PROVISIONER_GARBAGE_AGE_SECONDS="1")
    await until("the pool to go", lambda: lacks(stack, "orphan"))

    assert await bought_once(stack, "orphan")
    assert await until("the Event", lambda: orphaned(stack, "orphan")) == 1

    async def counted() -> float:
        found = await stack.samples("kaito_orphans_deleted_total")
        return found.get(frozenset({("kind", "instance")}), 0)

    assert await until("the count", counted) == 1


async def test_leftovers_stay_where_they_are_only_to_be_reported(stack: Stack) -> None:
    await stack.start(**FOR_EVER)
    await stack.apply(MACHINE.claim("keepsake"))
    await stack.until_ready((MACHINE, "keepsake"))
    await stack.stop()
    await stack.tear(MACHINE, "keepsake")

    report = {"PROVISIONER_GARBAGE_ACTION": "report", "PROVISIONER_GARBAGE_AGE_SECONDS": "0"}
    await stack.start(**report)

    await until("the Event", lambda: orphaned(stack, "keepsake"))
    await asked_again(stack, "LIST", times=3)
    assert stack.states() == {"keepsake": "Succeeded"}
    leftovers = await stack.samples("kaito_orphans")
    assert leftovers[frozenset({("kind", "instance")})] == 1
    await stack.portal.delete("keepsake")


async def released(stack: Stack, kind: Kind, name: str) -> bool:
    """Wait until a claim is gone; whether it was there for as long as its pool was."""
    together = True

    async def is_gone() -> bool:
        nonlocal together
        claim: Json = await stack.claim(kind, name)
        together = together and (claim is not None or name not in stack.states())
        return claim is None

    await until(f"{name} to be released", is_gone)
    return together


async def lacks(stack: Stack, pool: str) -> bool:
    """Whether there is no such pool."""
    return pool not in stack.states()


async def bought_once(stack: Stack, pool: str) -> bool:
    """Whether exactly one request for the pool was accepted, and nothing is left of it."""
    puts = accepted(await stack.see.journal(), "PUT", pool)
    return len(puts) == 1 and await lacks(stack, pool)


async def asked_again(stack: Stack, operation: str, *, times: int) -> None:
    """Wait for so many further requests of a kind."""
    before = len(await stack.asked(operation, ""))

    async def has_asked() -> bool:
        return len(await stack.asked(operation, "")) >= before + times

    await until(f"{times} more {operation}", has_asked)


async def orphaned(stack: Stack, name: str) -> int:
    """How many Events tell that the pool of that name is nobody's."""
    found = await stack.see.items("/apis/events.k8s.io/v1/namespaces/default/events")
    told = ("InstanceOrphaned", name)
    return sum((each["reason"], each["regarding"]["name"]) == told for each in found)
