"""Leadership goes over, once for each trouble; `hack/test takeover` does it two dozen times."""

from __future__ import annotations

import pytest

from tests.takeover.battle import fought
from tests.takeover.faults import Trouble
from tests.takeover.replica import Program

TROUBLES = {
    Program.KAITO: (Trouble.RACED, Trouble.HALF_OPEN, Trouble.KILLED),
    Program.PROVISIONER: (Trouble.SLOW, Trouble.STOPPED),
}


@pytest.mark.asyncio
@pytest.mark.timeout(600)
async def test_a_process_that_lost_the_lease_changes_nothing_that_its_successor_wrote_to() -> None:
    report = await fought(TROUBLES, seed=1)

    assert report.violations == []
    assert report.doubles == []
    assert len(report.done) == 5
    assert {each.old for each in report.done} <= report.late.keys()
