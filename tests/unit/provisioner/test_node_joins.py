"""The node of an instance: which is the claim's, when it is usable, and when it is late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.kinds import NODES
from provisioner.cloud import InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM, ClaimKind
from provisioner.failures import CapacityUnavailable
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import World

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


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


def joining(world: World, *, status: str) -> None:
    """A node of the claim's pool that has joined just now, ready or not."""
    born = {"creationTimestamp": world.clock.now().isoformat()}
    conditions = {"conditions": [{"type": "Ready", "status": status}]}
    node = builders.node(metadata=born, status=conditions)
    world.api.objects[(NODES.plural, node.ref)] = node


async def joined() -> World:
    """A claim whose node has joined just now, and is not ready."""
    world = World(MACHINE)
    world.nodes_join = False
    world.create()
    await world.settle()
    joining(world, status="False")
    return world


async def test_a_node_that_is_usable_at_once_gets_its_labels_at_once() -> None:
    world = await joined()
    await world.round(seconds=1)
    before = world.nodes(NAME)[0].metadata.labels

    joining(world, status="True")
    await world.round(seconds=1)

    after = world.nodes(NAME)[0].metadata.labels
    assert "karpenter.sh/registered" not in before
    assert after.keys() >= {"karpenter.sh/registered", "karpenter.sh/initialized"}


async def test_a_node_that_takes_its_time_is_registered_before_it_is_ready() -> None:
    world = await joined()

    await world.settle(rounds=5)

    assert world.condition("Registered") == ("True", "Registered")
    assert world.condition("Initialized") == ("Unknown", "NodeNotReady")


@both
async def test_a_usable_node_proves_that_its_machine_runs_although_the_launch_has_not_ended(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.cloud.still = world.cloud.boots = True
    world.create()

    await world.settle()

    assert world.cloud.pools[NAME].state is InstanceState.PENDING
    assert world.is_ready
    assert world.condition("Launched") == ("True", "Launched")
    assert [reason for _, reason in world.events.told] == ["Ready"]


@both
async def test_a_pool_that_fails_after_its_node_has_served_is_not_thrown_away(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.cloud.still = world.cloud.boots = True
    world.create()
    await world.settle()
    failure = CapacityUnavailable("AllocationFailed", "One machine of many is missing")
    pool = world.cloud.pools[NAME]
    world.cloud.pools[NAME] = replace(pool, state=InstanceState.FAILED, failure=failure)

    await world.settle()

    assert world.is_ready
    assert world.cloud.launches == [NAME]
    assert world.cloud.terminations == []


async def test_a_node_that_is_older_than_the_pool_does_not_prove_that_its_machine_runs() -> None:
    world = World(MACHINE)
    world.cloud.still, world.nodes_join = True, False
    left = builders.node(metadata={"creationTimestamp": world.clock.now().isoformat()})
    world.api.objects[(NODES.plural, left.ref)] = left
    world.create()

    await world.settle()

    assert world.condition("Launched") == ("Unknown", "Launching")
    assert world.nodes(NAME)[0].metadata.labels == left.metadata.labels


@both
async def test_what_a_node_waits_for_is_told_although_the_launch_has_not_ended(
    kind: ClaimKind,
) -> None:
    taint = {"key": "example.com/starting", "effect": "NoSchedule"}
    world = World(kind)
    world.cloud.still = world.cloud.boots = True
    world.create(spec={"startupTaints": [taint]})

    await world.settle()

    assert world.condition("Launched") == ("True", "Launched")
    assert world.condition("Initialized") == ("Unknown", "StartupTaintsExist")
