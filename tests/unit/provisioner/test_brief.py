"""Stages that a claim passes within a second are told together; each that lasts is told."""

from __future__ import annotations

import pytest

from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.failures import CloudThrottled
from tests.unit.provisioner.simulation import REF, World

QUICK_SECONDS = 0.4

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


async def lived(world: World, rounds: int) -> list[str]:
    """What the claim says in that many quick rounds, as reasons of Ready, each once."""
    said = [world.condition("Ready")[1]]
    for _ in range(rounds):
        await world.round(QUICK_SECONDS)
        said.append(world.condition("Ready")[1])
    return list(dict.fromkeys(said))


@both
async def test_a_machine_that_is_there_at_once_is_told_of_once(kind: ClaimKind) -> None:
    world = World(kind)
    world.create()

    assert await lived(world, 12) == ["", "Ready"]
    assert [reason for _, reason in world.events.told] == ["Ready"]


@both
async def test_each_stage_that_lasts_is_told(kind: ClaimKind) -> None:
    world = World(kind)
    world.cloud.still, world.nodes_join = True, False
    world.create()

    launching = await lived(world, 6)
    world.cloud.still = False
    running = await lived(world, 12)
    world.nodes_join = True
    ready = await lived(world, 3)

    assert launching == ["", "Launching"]
    assert running == ["Launching", "NodeNotFound"]
    assert ready == ["NodeNotFound", "Ready"]


async def test_a_claim_that_asked_says_so_although_no_list_comes_any_more() -> None:
    world = World(MACHINE)
    world.create()
    await world.round(QUICK_SECONDS)
    await world.round(QUICK_SECONDS)
    assert world.cloud.launches
    assert world.condition("Launched") == ("", "")

    world.clock.at += 1
    outcome = await world.controller.reconcile(REF)

    assert world.condition("Launched") == ("Unknown", "Launching")
    assert outcome.recheck_seconds is None


async def test_a_refusal_is_told_at_once() -> None:
    world = World(MACHINE)
    world.cloud.refusals = [CloudThrottled("TooManyRequests", "later", retry_after_seconds=9)]
    world.create()
    await world.round(QUICK_SECONDS)
    await world.round(QUICK_SECONDS)

    assert world.cloud.refused
    assert world.condition("Ready")[1] == "CloudThrottled"
