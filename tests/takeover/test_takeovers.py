"""Two processes of each program: the old one changes nothing any more once the new one has.

The witness is the API server's audit log, and the cloud's journal for what costs money.
"""

from __future__ import annotations

import sys
from random import Random

import pytest

from tests.takeover.battle import fought
from tests.takeover.conftest import OPTION
from tests.takeover.faults import Trouble
from tests.takeover.replica import Program

ROUNDS, EXTRA = 2, 2
"""Of all troubles for each program, and further ones."""

LEAST_LATE = 20

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(1200)]


async def test_the_old_process_changes_nothing_that_the_new_one_has_written_to(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    troubles: dict[Program, list[Trouble]] = {}
    for program in Program:
        chance = Random(f"{seed}-{program}-order")
        troubles[program] = list(Trouble) * ROUNDS + chance.sample(list(Trouble), EXTRA)
        chance.shuffle(troubles[program])
    with capsys.disabled():
        sys.stdout.write(f"\nagain: hack/test takeover {OPTION} {seed}\n")

    report = await fought(troubles, seed)

    with capsys.disabled():
        sys.stdout.write(report.table())
    assert report.violations == []
    assert report.doubles == []
    assert len(report.late) >= LEAST_LATE
