"""Claims that nobody takes up: the Workspace says so, and goes on with the first sign."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest

from kaito.api.workspace import MACHINE_READY, WORKSPACES
from tests.virtual.process import PROVISIONER
from tests.virtual.story import Script, Stage, played
from tests.virtual.troubles import pause
from tests.virtual.user import create, delete
from tests.virtual.watching import Event
from tests.virtual.workloads import Workload

pytestmark = pytest.mark.timeout(120)

STILL_SECONDS = 300.0
"""How long no provisioner runs."""


def test_without_a_provisioner_it_is_told_once_and_over_when_one_comes() -> None:
    told: list[str] = []

    async def act(stage: Stage) -> None:
        await asyncio.sleep(5)
        stage.api.on_event.append(lambda event: told.extend(_reasons(event)))
        for life in stage.lives.values():
            if life.name == PROVISIONER:
                pause(stage, life, seconds=STILL_SECONDS)
        create(stage.world)
        await asyncio.sleep(STILL_SECONDS + 600)
        delete(stage.world)

    verdict = played(Script(Workload.DELETE, act=act))

    assert verdict.violations == []
    assert [reason for reason, _ in groupby(told)][:4] == [
        "WaitingForMachines",
        "NoProvisioner",
        "WaitingForMachines",
        "MachinesReady",
    ]


def _reasons(event: Event) -> list[str]:
    """What a Workspace says of its claims."""
    if event.kind.plural != WORKSPACES.plural:
        return []
    found = (event.new.get("status") or {}).get("conditions", [])
    return [each["reason"] for each in found if each["type"] == MACHINE_READY]
