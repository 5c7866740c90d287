"""The node of an instance: which is the claim's, when it is usable, and when it is late."""

from __future__ import annotations

from kaito.kube.kinds import NODES
from provisioner.controllers.machine.kinds import MACHINE, NODE_CLAIM, ClaimKind
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import World


async def up(kind: ClaimKind) -> World:
    world = World(kind)
    world.create()
    await world.settle()
    assert world.is_ready
    return world


async def test_a_node_without_its_gpu_is_not_initialized_and_times_out_with_the_remedy() -> None:
    world = World(MACHINE)
    blind = builders.node(status={"allocatable": {"cpu": "24"}, "capacity": {"cpu": "24"}})
    world.nodes_join = False
    world.create()
    await world.settle(rounds=3)
    world.api.objects[(NODES.plural, blind.ref)] = blind

    await world.settle(rounds=5)
    assert world.condition("Initialized") == ("Unknown", "ResourceNotRegistered")
    assert world.condition("Registered")[0] == "True"

    await world.settle(rounds=20, seconds=60)
    assert world.condition("Initialized") == ("False", "InitializationTimedOut")
    told = next(c for c in world.stored().status.conditions if c.type == "MachineInitialized")
    assert "device plugin" in told.message
    assert world.cloud.launches == [NAME]


async def test_a_node_that_never_joins_times_out() -> None:
    world = World(NODE_CLAIM)
    world.nodes_join = False
    world.create()

    await world.settle(rounds=20, seconds=60)

    assert world.condition("Registered") == ("False", "RegistrationTimedOut")
    assert world.condition("Initialized")[0] == "Unknown"


async def test_an_older_node_of_the_same_pool_name_is_not_adopted() -> None:
    world = World(MACHINE)
    old = builders.node(metadata={**builders.node().metadata.model_dump(by_alias=True)})
    stale = old.model_copy(
        update={
            "metadata": old.metadata.model_copy(
                update={"creation_timestamp": builders.BORN.replace(year=2025)}
            )
        }
    )
    world.nodes_join = False
    world.api.objects[(NODES.plural, stale.ref)] = stale
    world.create()

    await world.settle()

    assert world.condition("Registered") == ("Unknown", "NodeNotFound")


async def test_a_node_that_falls_silent_makes_the_claim_unready_and_nothing_else() -> None:
    world = await up(MACHINE)
    silent = world.nodes(NAME)[0].model_copy(
        update={
            "status": builders.node(
                status={"conditions": [{"type": "Ready", "status": "Unknown"}]}
            ).status
        }
    )
    world.api.objects[(NODES.plural, silent.ref)] = silent

    await world.settle()

    assert world.condition("Ready") == ("False", "NodeNotReady")
    assert world.condition("Initialized")[0] == "True"
    assert world.cloud.terminations == []
