"""Many machines at once, or many that go at once, and a cloud that takes one request a second."""

from __future__ import annotations

import pytest

from tests.bystander import until
from tests.claims import KINDS
from tests.provisioner.books import CLOCKS_SECONDS, accepted, gaps, requests
from tests.provisioner.stack import Stack
from tests.provisioner.witness import watching

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

COUNT = 60
"""Three times what the cloud takes at once."""
LIMIT = {"perSecond": 1, "burst": 10}
ACCEPTED, THROTTLED = 202, 429


async def test_all_become_ready_and_each_is_bought_once(stack: Stack) -> None:
    names = [f"many{number:02d}" for number in range(COUNT)]
    claims = [KINDS[place % len(KINDS)].claim(name) for place, name in enumerate(names)]
    stack.play(limits=[LIMIT])
    await stack.start()
    await stack.ready()

    async with watching(stack.client) as witness:
        await stack.apply(*claims)

        async def are_ready() -> bool:
            return all(witness.holds(name) for name in names)

        await until("all to be Ready", are_ready, limit_seconds=280)
        assert sorted(stack.states()) == names
        journal = await stack.see.journal()
        stack.play()
        await stack.delete(*claims)

    for name in names:
        assert len(accepted(journal, "PUT", name)) == 1
        puts = requests(journal, "PUT", name)
        assert [each["status"] for each in puts[:-1]] == [THROTTLED] * (len(puts) - 1)
        assert [gap for gap in gaps(puts) if gap < 1 - CLOCKS_SECONDS] == []
    assert stack.states() == {}


async def test_all_are_given_back_and_each_is_asked_to_go_once(stack: Stack) -> None:
    names = [f"back{number:02d}" for number in range(COUNT)]
    claims = [KINDS[place % len(KINDS)].claim(name) for place, name in enumerate(names)]
    early: set[str] = set()
    await stack.start()
    await stack.ready()

    async with watching(stack.client) as witness:
        await stack.apply(*claims)

        async def are_ready() -> bool:
            return all(witness.holds(name) for name in names)

        async def are_gone() -> bool:
            early.update(witness.gone & stack.states().keys())
            return witness.gone >= set(names)

        await until("all to be Ready", are_ready, limit_seconds=280)
        stack.play(limits=[LIMIT])
        await stack.delete(*claims, wait=False)
        await until("all to be given back", are_gone, limit_seconds=280)

    assert early == set(), "these claims went before their pools"
    journal = await stack.see.journal()
    for name in names:
        assert len(accepted(journal, "PUT", name)) == 1
        asked = requests(journal, "DELETE", name)
        assert [each["status"] for each in asked] == [*[THROTTLED] * (len(asked) - 1), ACCEPTED]
        assert [gap for gap in gaps(asked) if gap < 1 - CLOCKS_SECONDS] == []
    assert stack.states() == {}
