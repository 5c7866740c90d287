"""Each phase has a deadline, and at it happens what the settings say; never a second machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.kinds import NODES
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.controllers.machine.observe import Deadlines
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, World

SHORT = Deadlines(launch_seconds=60, registration_seconds=30, initialization_seconds=30)

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def blind(world: World) -> None:
    """The machine's node joins, and no device plugin ever reports its GPU."""
    made = builders.node(status={"allocatable": {"cpu": "24"}, "capacity": {"cpu": "24"}})
    world.api.objects[(NODES.plural, made.ref)] = made


def said(world: World) -> str:
    told = {each.type: each for each in world.stored().status.conditions}
    return told["Ready"].message


@both
async def test_a_gpu_that_never_appears_is_said_with_the_device_plugin_as_remedy(
    kind: ClaimKind,
) -> None:
    world = World(kind, deadlines=SHORT)
    world.create()
    blind(world)
    await world.settle(rounds=5)
    assert world.condition("Initialized") == ("Unknown", "ResourceNotRegistered")

    await world.settle(rounds=20)

    assert world.condition("Initialized") == ("False", "InitializationTimedOut")
    assert "nvidia.com/gpu" in said(world)
    assert "device plugin" in said(world)
    assert world.cloud.launches == [NAME]
    assert world.cloud.terminations == []


@both
async def test_a_node_that_never_joins_is_said_at_the_deadline(kind: ClaimKind) -> None:
    world = World(kind, deadlines=SHORT)
    world.nodes_join = False
    world.create()

    await world.settle(rounds=25)

    assert world.condition("Registered") == ("False", "RegistrationTimedOut")
    assert world.cloud.launches == [NAME]
    assert world.cloud.terminations == []


async def test_a_phase_that_ends_after_its_deadline_still_counts() -> None:
    world = World(MACHINE, deadlines=SHORT)
    world.nodes_join = False
    world.create()
    await world.settle(rounds=25)

    world.nodes_join = True
    await world.settle()

    assert world.is_ready


@both
@pytest.mark.parametrize("joins", [False, True], ids=["registration", "initialization"])
async def test_with_delete_the_claim_goes_at_the_deadline_and_gives_everything_back(
    kind: ClaimKind, *, joins: bool
) -> None:
    world = World(kind, deadlines=replace(SHORT, deletes=True))
    world.nodes_join = False
    world.create()
    if joins:
        blind(world)

    await world.settle(rounds=40)

    assert world.claim(kind, REF) is None
    assert world.cloud.launches == [NAME]
    assert world.cloud.owned(world.owner) == []
    assert world.released_with == []


@pytest.mark.parametrize("deletes", [False, True], ids=["report", "delete"])
async def test_a_pool_that_is_created_for_ever_is_said_and_deleted_only_where_that_is_set(
    *, deletes: bool
) -> None:
    world = World(MACHINE, deadlines=replace(SHORT, deletes=deletes))
    world.cloud.still = True
    world.create()

    await world.settle(rounds=40)

    assert world.stored().is_deleting == deletes
    assert world.cloud.terminations == [NAME][: int(deletes)]
    assert world.cloud.launches == [NAME]
    if not deletes:
        assert world.condition("Launched") == ("False", "LaunchTimedOut")
