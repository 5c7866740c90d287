"""SIGKILL after each write of the workspace controller, scenario by scenario.

A first run without a kill shows how it ends and how many writes it takes; then one run for each of
them. The API server has carried the write out, and the process is dead before it hears of it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.bystander import until
from tests.kills.picture import at_rest, picture
from tests.kills.scenarios import NAME, SCENARIOS, Scenario, Scene
from tests.kills.surroundings import SYSTEM_NODE, Surroundings
from tests.kills.victim import Victim
from tests.takeover.audit import Log
from tests.takeover.ground import standing
from tests.takeover.replica import Program, Replica

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

MOST_WRITES = 60
"""More than any of these scenarios takes."""


@dataclass(frozen=True)
class Stage:
    """A control plane with both programs, one of which is to die."""

    scene: Scene
    victim: Victim
    log: Log


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with standing() as ground:
        around = Surroundings(ground, Random(0))
        victim = Victim(ground.layout)
        provisioner = await Replica.start(ground.layout, Program.PROVISIONER, "bystanding")
        try:
            around.begin()
            await victim.start()
            yield Stage(Scene(ground.bystander, around), victim, ground.log)
        finally:
            sys.stdout.write(victim.said())
            await victim.end()
            await provisioner.end()
            await around.stop()


@dataclass(frozen=True)
class Run:
    """How one run went.

    Attributes:
        end: what was left when the goal was reached.
        claims: that were created, by name; one name twice is one claim.
        pools: for which the cloud was asked with success.
        killed_by: the write that was followed by the kill; "" without one.
        writes: of the controller from the wish to the goal, or to its death.
    """

    end: Any
    claims: int
    pools: int
    killed_by: str
    writes: tuple[str, ...]


async def played(stage: Stage, scenario: Scenario, kill: int) -> Run:
    """The scenario once, with a kill at that write, and everything given back."""
    scene, victim = stage.scene, stage.victim
    earlier = len(stage.log.read()), len(await scene.cluster.journal())
    victim.arm(0)
    if scenario.begin:
        await scenario.begin(scene)
        await until("the beginning", scene.ready)
    victim.arm(kill)
    await scenario.wish(scene)

    async def over() -> bool:
        return bool(victim.killed_by) or bool(await scenario.goal(scene))

    await until(f"the goal, or a kill: {scenario.about}", over)
    writes = tuple(victim.writes)
    await victim.revive()
    await until(f"the goal after {victim.killed_by}", lambda: scenario.goal(scene))
    end = await at_rest(scene.cluster, NAME)
    # Events come last: it may die of one when all the rest is done.
    await victim.revive()
    killed_by = victim.killed_by
    victim.arm(0)
    await scene.cluster.play()
    if not await scene.gone():
        await scene.delete()
    await until("nothing to be left", lambda: is_empty(scene))
    created = {
        write.place
        for write in stage.log.read()[earlier[0] :]
        if write.place[0] == "machines" and write.verb == "create" and write.accepted
    }
    bought = [
        each
        for each in (await scene.cluster.journal())[earlier[1] :]
        if each["operation"] == "PUT" and each["status"] == 201
    ]
    return Run(end, len(created), len(bought), killed_by, writes)


async def is_empty(scene: Scene) -> bool:
    """Whether no object, node or machine is left."""
    left = await picture(scene.cluster, NAME)
    return await scene.gone() and not any(left.values()) and not await nodes(scene)


async def nodes(scene: Scene) -> list[Any]:
    found = await scene.cluster.items("/api/v1/nodes")
    return [one for one in found if one["metadata"]["name"] != SYSTEM_NODE]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.about)
async def test_killed_after_any_write_it_ends_the_same(
    stage: Stage, scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = await played(stage, scenario, 0)

    runs: list[Run] = []
    while not runs or runs[-1].killed_by:
        runs.append(await played(stage, scenario, len(runs) + 1))
        assert len(runs) < MOST_WRITES

    with capsys.disabled():
        kills = "\n".join(f"  {number}. {run.killed_by}" for number, run in enumerate(runs, 1))
        sys.stdout.write(f"\n{scenario.about}: killed {len(runs) - 1} times\n{kills}\n")
    assert len(runs) > 3
    for run in (undisturbed, *runs):
        assert run.end == undisturbed.end, run.killed_by
        assert run.claims == scenario.bought, run.killed_by
        assert run.pools <= scenario.bought, run.killed_by
        assert run.pools == undisturbed.pools, run.killed_by
