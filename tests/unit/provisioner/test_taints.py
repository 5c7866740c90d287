"""A node is not usable while a taint is on it that somebody else is to take off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.kinds import NODES, Node, NodeSpec, Taint
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.controllers.machine.observe import Deadlines
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME, PROVIDER_ID
from tests.unit.provisioner.simulation import World

STARTUP = {"key": "example.com/agent-not-ready", "value": "true", "effect": "NoExecute"}
AGENT = Taint.model_validate(STARTUP)
POOL = Taint(key="sku", value="gpu", effect="NoSchedule")
HELD = ("Unknown", "StartupTaintsExist")

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


async def joined(kind: ClaimKind, *taints: Taint, deadlines: Deadlines | None = None) -> World:
    """A claim with a startup taint, whose node has joined with these taints."""
    world = World(kind, deadlines=deadlines)
    world.nodes_join = False
    world.create(spec={"startupTaints": [STARTUP]})
    await world.settle(rounds=4)
    assert world.condition("Launched")[0] == "True"
    made = tainted(builders.node(), *taints)
    world.api.objects[(NODES.plural, made.ref)] = made
    return world


def tainted(node: Node, *taints: Taint) -> Node:
    """That node with exactly these taints."""
    return node.model_copy(update={"spec": NodeSpec(providerID=PROVIDER_ID, taints=taints)})


def retaint(world: World, *taints: Taint) -> None:
    """Somebody changes the taints of the claim's node."""
    node = tainted(world.nodes(NAME)[0], *taints)
    world.api.objects[(NODES.plural, node.ref)] = node


def taints_of(world: World) -> set[tuple[str, str, str]]:
    return {(each.key, each.value, each.effect) for each in world.nodes(NAME)[0].spec.taints}


@both
async def test_a_startup_taint_is_put_on_beside_the_pools_and_waited_for(kind: ClaimKind) -> None:
    world = await joined(kind, POOL)

    await world.settle(rounds=5)
    assert taints_of(world) == {
        ("sku", "gpu", "NoSchedule"),
        ("example.com/agent-not-ready", "true", "NoExecute"),
    }
    assert world.condition("Registered")[0] == "True"
    assert world.condition("Initialized") == HELD
    told = {each.type: each.message for each in world.stored().status.conditions}
    assert "example.com/agent-not-ready=true:NoExecute" in told["Ready"]

    retaint(world, POOL)
    await world.settle(rounds=5)
    assert world.is_ready
    assert taints_of(world) == {("sku", "gpu", "NoSchedule")}


async def test_a_startup_taint_that_was_taken_off_is_never_put_on_again() -> None:
    world = await joined(MACHINE)
    await world.settle(rounds=3)
    retaint(world, AGENT.model_copy(update={"key": "example.com/another"}), AGENT)
    world.restart()
    await world.settle(rounds=3)
    assert world.condition("Initialized") == HELD

    retaint(world)
    world.restart()
    await world.settle(rounds=5)

    assert world.is_ready
    assert taints_of(world) == set()


async def test_a_node_that_is_usable_stays_so_when_the_taint_comes_back() -> None:
    world = await joined(MACHINE)
    await world.settle(rounds=3)
    retaint(world)
    await world.settle(rounds=3)

    retaint(world, AGENT)
    await world.settle(rounds=3)

    assert world.is_ready


async def test_of_one_key_and_effect_a_node_keeps_the_taint_that_it_has() -> None:
    world = await joined(MACHINE, AGENT.model_copy(update={"value": "booting"}))

    await world.settle(rounds=3)

    assert taints_of(world) == {("example.com/agent-not-ready", "booting", "NoExecute")}
    assert world.condition("Initialized") == HELD


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        ("karpenter.sh/unregistered", "NoExecute"),
    ],
)
async def test_a_taint_that_kubernetes_takes_off_is_waited_for(key: str, effect: str) -> None:
    world = await joined(MACHINE, Taint(key=key, effect=effect))
    await world.settle(rounds=2)
    retaint(world, Taint(key=key, effect=effect))
    await world.settle(rounds=3)
    assert world.condition("Initialized") == ("Unknown", "KnownEphemeralTaintsExist")

    retaint(world, Taint(key="kubernetes.azure.com/scalesetpriority", effect="NoSchedule"))
    await world.settle(rounds=5)

    assert world.is_ready


async def test_a_startup_taint_that_stays_is_said_at_the_deadline_with_who_is_to_act() -> None:
    world = await joined(MACHINE, deadlines=replace(Deadlines(), initialization_seconds=30))

    await world.settle(rounds=30)

    assert world.condition("Initialized") == ("False", "InitializationTimedOut")
    told = next(c for c in world.stored().status.conditions if c.type == "MachineInitialized")
    assert "example.com/agent-not-ready=true:NoExecute still exists" in told.message
    assert "takes that taint off" in told.message
    assert world.cloud.terminations == []
