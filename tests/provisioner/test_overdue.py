"""A cloud that takes no request for longer than a launch may take: it is said, and then goes on."""

from __future__ import annotations

from functools import partial

import pytest

from tests.bystander import Json, condition, until
from tests.claims import MACHINE, NODE_CLAIM, Kind
from tests.provisioner.books import accepted
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

CLAIMS = {"unheard": MACHINE, "unmet": NODE_CLAIM}


async def overdue(stack: Stack, kind: Kind, name: str) -> Json:
    """The condition of the launch, once it says so."""
    found = condition(await stack.claim(kind, name), kind.condition("Launched"))
    return found if str(found.get("message")).startswith("Overdue: ") else None


async def test_claims_that_cannot_be_asked_for_are_false_at_the_deadline_and_ready_in_the_end(
    stack: Stack,
) -> None:
    earlier = len(await stack.see.journal())
    stack.play({"match": {"operation": "PUT", "pool": "unheard|unmet"}, "fault": "unavailable"})
    await stack.start(PROVISIONER_LAUNCH_DEADLINE_SECONDS="2")
    claims = [kind.claim(name) for name, kind in CLAIMS.items()]
    await stack.apply(*claims)

    for name, kind in CLAIMS.items():
        told = await until(f"{name} to be overdue", partial(overdue, stack, kind, name))
        assert (told["status"], told["reason"]) == ("False", "CloudUnavailable")
        assert "check the way to the ARM endpoint" in told["message"]

    stack.play()
    await stack.until_ready(*((kind, name) for name, kind in CLAIMS.items()))
    journal = (await stack.see.journal())[earlier:]
    assert [len(accepted(journal, "PUT", name)) for name in CLAIMS] == [1, 1]
    await stack.delete(*claims)
