"""Killed around the removal of a pool that failed, the try after it, or the removal of an orphan.

Each story has one claim: its first try goes wrong, its second is carried out, and in the end the
claim is torn away, so that its pool and its Node are nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hack.cluster.arm.calls import Call
from tests.bystander import until
from tests.claims import MACHINE, NODE_CLAIM, Kind
from tests.provisioner.books import CLOCKS_SECONDS, accepted, gaps, history
from tests.provisioner.door import Moment, Trap
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

KEPT = {"PROVISIONER_GARBAGE_AGE_SECONDS": "3600"}
SWEPT = {"PROVISIONER_GARBAGE_AGE_SECONDS": "1", "PROVISIONER_POLL_SECONDS": "0.5"}
BACK_OFF_SECONDS = 2.0
"""After an operation that ended in trouble of the cloud's own."""

LONG_SECONDS = 4.0
"""More than a successor takes until it sees an orphan that is being deleted."""
AFTER_ANSWER_SECONDS = 0.02


@dataclass(frozen=True)
class Story:
    """When the process is killed.

    Attributes:
        pool: of the claim, and its name.
        removal: at the DELETE of the pool that failed.
        second: at the second PUT.
        sweep: at the DELETE of the orphan.
    """

    pool: str
    kind: Kind
    removal: Moment
    second: Moment
    sweep: Moment

    def __str__(self) -> str:
        return f"removal {self.removal}, second try {self.second}, sweep {self.sweep}"


STORIES = (
    Story("failed0", MACHINE, Moment.UNSENT, Moment.UNANSWERED, Moment.ANSWERED),
    Story("failed1", NODE_CLAIM, Moment.UNANSWERED, Moment.ANSWERED, Moment.UNSENT),
    Story("failed2", MACHINE, Moment.ANSWERED, Moment.UNSENT, Moment.UNANSWERED),
)


def trap(call: Call, moment: Moment, story: Story) -> Trap:
    """Death at the next such request for the story's pool."""
    delay_seconds = AFTER_ANSWER_SECONDS if moment is Moment.ANSWERED else 0.0
    return Trap(call, moment, story.pool, delay_seconds=delay_seconds)


@pytest.mark.parametrize("story", STORIES, ids=str)
async def test_a_second_try_is_made_once_and_what_becomes_an_orphan_is_removed_once(
    stack: Stack, story: Story
) -> None:
    match = {"pool": story.pool}
    fails = {"fault": "allocation", "code": "InternalServerError", "times": 1, "match": match}
    lingers = {"fault": "stuck-deleting", "after": 1, "seconds": LONG_SECONDS, "match": match}
    stack.play(fails, lingers)
    await stack.start(**KEPT)

    stack.door.trap = trap(Call.DELETE, story.removal, story)
    await stack.apply(story.kind.claim(story.pool))
    await stack.sprung()
    stack.door.trap = trap(Call.PUT, story.second, story)
    await stack.replace(**KEPT)
    await stack.succeed(**KEPT)
    await stack.until_ready((story.kind, story.pool))
    await orphan(stack, story)
    await stack.succeed(**SWEPT)
    await until("the pool to go", lambda: stack.lacks(story.pool))
    await stack.ready()
    await until("its Node to go, and be counted", lambda: swept(stack))

    journal = await stack.see.journal()
    assert stack.states() == {}
    assert history(journal, story.pool) == ["PUT", "DELETE", "PUT", "DELETE"]
    tries = accepted(journal, "PUT", story.pool)
    assert gaps(tries)[0] >= BACK_OFF_SECONDS - CLOCKS_SECONDS


async def orphan(stack: Stack, story: Story) -> None:
    """Tear the claim away while nobody looks; whoever sweeps is killed at the removal."""
    stack.kill()
    await stack.tear(story.kind, story.pool)
    stack.door.trap = trap(Call.DELETE, story.sweep, story)
    await stack.replace(**SWEPT)


async def swept(stack: Stack) -> bool:
    """Whether no Node of an agent pool is left, and the last process has removed one."""
    counts = await stack.samples("kaito_orphans_deleted_total")
    nodes = await stack.see.items("/api/v1/nodes", "kaito.sh/machine-type")
    return not nodes and counts.get(frozenset({("kind", "node")}), 0) == 1
