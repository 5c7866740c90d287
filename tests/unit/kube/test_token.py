"""Where tokens come from, when that is no good."""

from __future__ import annotations

import asyncio

from kaito.kube.token import RotatingToken
from tests.unit.kube.builders import FakeClock


async def test_t3_a_source_of_tokens_that_hangs_leaves_the_old_one() -> None:
    clock = FakeClock()

    async def hang(_: str) -> str:
        await asyncio.Event().wait()
        return "never"

    token = RotatingToken("old", hang, clock=clock, read_seconds=0.01)
    clock.advance(61)

    async with asyncio.timeout(30):
        assert await token.header() == "old"
