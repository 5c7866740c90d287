"""Killed at any request to ARM, the provisioner's successor ends with the same one pool, or none.

Each story has one claim of each Kind and two deaths: one on the way up, one on the way down.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle

import pytest
import pytest_asyncio

from hack.cluster.arm.calls import Call
from tests.bystander import until
from tests.claims import MACHINE, NODE_CLAIM
from tests.provisioner.books import accepted, bought, gaps
from tests.provisioner.door import Moment, Trap
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

GARBAGE = {"PROVISIONER_GARBAGE_AGE_SECONDS": "3600"}
"""No leftover is old enough: what goes is given back by its own claim."""

AT_START = frozenset({Call.SIGN_IN, Call.LIST, Call.SKUS, Call.USAGES})
"""What a process asks before its first PUT, and not before each."""

INSTANT, SOON, LATER = 0.001, 0.02, 0.2
"""Seconds from an answer to a death: on the wire, while it is read, after it was noted."""


@dataclass(frozen=True)
class Death:
    """Where the process is killed.

    Attributes:
        call: the request.
        moment: before, in or after it.
        skip: how many such requests go through first.
        delay_seconds: from the answer to the death.
    """

    call: Call
    moment: Moment
    skip: int = 0
    delay_seconds: float = 0.0

    def trap(self, pool: str) -> Trap:
        """The trap that brings it about; PUT and DELETE are those of one pool."""
        of = pool if self.call in {Call.PUT, Call.DELETE} else ".*"
        return Trap(self.call, self.moment, of, self.skip, self.delay_seconds)

    def __str__(self) -> str:
        number = f" {self.skip + 1}" if self.skip else ""
        later = f" by {self.delay_seconds:g} s" if self.delay_seconds else ""
        return f"{self.call}{number} {self.moment}{later}"


def around(call: Call, *, skip: int = 0) -> list[Death]:
    """Before, in and after a request that changes nothing."""
    return [
        Death(call, Moment.UNSENT, skip),
        Death(call, Moment.UNANSWERED, skip),
        Death(call, Moment.ANSWERED, skip, INSTANT),
        Death(call, Moment.ANSWERED, skip, SOON),
    ]


def inside(call: Call) -> list[Death]:
    """Those, and with a request that reaches ARM long after it was sent."""
    late = [Death(call, Moment.LATE_FIRST), Death(call, Moment.LATE_SECOND)]
    return [*around(call), Death(call, Moment.ANSWERED, 0, LATER), *late]


UP = (
    *inside(Call.PUT),
    *around(Call.SIGN_IN)[:3],
    *around(Call.LIST),
    *around(Call.LIST, skip=1),
    *around(Call.SKUS)[:3],
    *around(Call.USAGES)[:3],
)
"""The first LIST is before the PUT; later ones are after it, or between."""

OBSERVED = tuple(death for skip in (0, 1, 2) for death in around(Call.LIST, skip=skip))
DOWN = (*inside(Call.DELETE), *OBSERVED)
STORIES = [
    (number, up, down) for number, (up, down) in enumerate(zip(UP, cycle(DOWN), strict=False))
]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def end(cloud: Stack) -> AsyncIterator[None]:
    """Stop the last successor."""
    yield
    await cloud.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def stack(cloud: Stack) -> AsyncIterator[Stack]:
    """The stack, with the successor that the story before has left."""
    if cloud.process is None:
        await cloud.start(**GARBAGE)
    yield cloud
    cloud.door.trap = None
    cloud.play()
    await cloud.raze()


@pytest.mark.parametrize(
    ("number", "up", "down"), STORIES, ids=[f"{up}, {down}" for _, up, down in STORIES]
)
async def test_a_killed_provisioner_ends_with_one_pool_and_then_none(
    stack: Stack, number: int, up: Death, down: Death
) -> None:
    names = {MACHINE: f"kill{number}a", NODE_CLAIM: f"kill{number}b"}
    claims = [kind.claim(name) for kind, name in names.items()]

    if up.call in AT_START:
        await stack.stop()
    stack.door.trap = up.trap(names[MACHINE])
    await stack.apply(*claims)
    if up.call in AT_START:
        await stack.start(**GARBAGE)
    await stack.succeed(**GARBAGE)
    await stack.until_ready(*names.items())
    assert sorted(stack.states()) == sorted(names.values())
    stack.door.trap = down.trap(names[MACHINE])
    await stack.delete(*claims, wait=False)
    await stack.succeed(**GARBAGE)
    await until("all to be given back", lambda: stack.lacks(*names.values()))

    assert stack.states() == {}
    journal = await stack.see.journal()
    assert [bought(journal, name) for name in names.values()] == [1, 1]
    nodes = await stack.see.items("/api/v1/nodes", "kaito.sh/workspace")
    assert nodes == []


async def test_a_request_that_arrives_when_its_claim_is_gone_leaves_nothing(stack: Stack) -> None:
    stack.door.trap = Trap(Call.PUT, Moment.LATE_SECOND, "ghost")
    claim = MACHINE.claim("ghost")
    await stack.apply(claim)
    await stack.sprung()
    await stack.delete(claim, wait=False)
    await stack.replace(PROVISIONER_GARBAGE_AGE_SECONDS="1")
    await until("the claim to be released", lambda: stack.lacks("ghost"))

    stack.door.deliver()
    appeared = "ghost" in stack.states()
    await until("the pool to go", lambda: stack.lacks("ghost"))

    assert appeared
    assert len(accepted(await stack.see.journal(), "PUT", "ghost")) == 1


async def test_an_answer_that_is_lost_is_looked_up_and_not_asked_for_again(stack: Stack) -> None:
    match = {"pool": "mute", "operation": "PUT|DELETE"}
    stack.play({"fault": "drop", "takesEffect": True, "times": 2, "match": match})
    claim = MACHINE.claim("mute")

    await stack.apply(claim)
    await stack.until_ready((MACHINE, "mute"))
    await stack.delete(claim)

    assert len(await stack.asked("PUT", "mute")) == 1
    assert len(await stack.asked("DELETE", "mute")) == 1
    assert stack.states() == {}


async def test_a_successor_keeps_the_whole_pause_of_a_refusal_and_the_next_takes_what_it_bought(
    stack: Stack,
) -> None:
    stack.play({"fault": "conflict", "times": 1, "match": {"pool": "paused", "operation": "PUT"}})
    claim = NODE_CLAIM.claim("paused")
    await stack.apply(claim)
    await stack.until_told(NODE_CLAIM, "paused", "Launched", "OperationInProgress")

    stack.kill()
    stack.door.trap = Trap(Call.PUT, Moment.UNANSWERED, "paused")
    await stack.replace()
    await stack.succeed()
    await stack.until_ready((NODE_CLAIM, "paused"))

    journal = await stack.see.journal()
    assert bought(journal, "paused") == 1
    assert len(gaps(await stack.asked("PUT", "paused"))) == 1
    await stack.delete(claim)
