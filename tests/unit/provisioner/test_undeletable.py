"""Deletions that the cloud accepts and then does not carry out."""

from __future__ import annotations

import pytest

from provisioner.controllers.machine.kinds import KINDS, ClaimKind
from provisioner.failures import LaunchFailed
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, World

ROUND_SECONDS = 2.0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_it_is_asked_for_again_ever_more_seldom_and_the_cause_is_told(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.create()
    await world.settle()
    world.cloud.undeletable = LaunchFailed("NicInUse", "a network interface is still in use")
    world.delete()

    for _ in range(100):
        await world.round(ROUND_SECONDS)

    asked = len(world.cloud.terminations)
    assert 3 <= asked <= 6  # pauses of 10, 20, 40, 80 seconds within 200
    ready = next(each for each in world.stored().status.conditions if each.type == "Ready")
    assert "a network interface is still in use" in ready.message
    assert NAME in world.cloud.pools

    world.cloud.undeletable = None
    for _ in range(200):
        await world.round(ROUND_SECONDS)
    assert NAME not in world.cloud.pools
    assert (kind.resource.plural, REF) not in world.api.objects
