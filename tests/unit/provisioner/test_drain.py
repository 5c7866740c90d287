"""Pods leave a machine before it goes, as their budgets allow, and never for longer than said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kaito.kube.kinds import Pod
from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM, ClaimKind
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, World


async def guarded(*pods: Pod, kind: ClaimKind = MACHINE) -> World:
    """A deleted claim, with these pods on its node."""
    world = World(kind)
    world.create()
    await world.settle()
    for pod in pods:
        world.api.objects[("pods", pod.ref)] = pod
    world.delete()
    return world


def owned_by(kind: str) -> dict[str, object]:
    reference = {"apiVersion": "v1", "kind": kind, "name": "x", "uid": "x", "controller": True}
    return {"ownerReferences": [reference]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_pods_are_evicted_before_the_machine_goes(kind: ClaimKind) -> None:
    world = await guarded(builders.pod("one"), builders.pod("two"), kind=kind)

    await world.round()
    assert world.nodes(NAME)[0].spec.unschedulable
    assert sorted(world.api.evictions) == ["one", "two"]
    assert world.cloud.terminations == []

    await world.settle()
    assert world.claim(kind, REF) is None
    assert world.cloud.terminations == [NAME]


async def test_a_disruption_budget_is_waited_for_and_named() -> None:
    world = await guarded(builders.pod("one"))
    world.api.budgets = {"one"}

    await world.settle(rounds=5)
    assert world.cloud.terminations == []
    told = {each.type: each for each in world.stored().status.conditions}["Ready"]
    assert told.reason == "Draining"
    assert "default/one" in told.message
    assert "disruption budget" in told.message

    world.api.budgets = set()
    await world.settle()
    assert world.claim(MACHINE, REF) is None


async def test_a_drain_ends_at_its_deadline_and_says_what_was_left() -> None:
    world = await guarded(builders.pod("one"))
    world.api.budgets = {"one"}
    await world.settle(rounds=3)
    assert world.cloud.terminations == []

    await world.round(seconds=301)

    assert world.cloud.terminations == [NAME]
    said = {each.type: each for each in world.stored().status.conditions}["Ready"].message
    assert "drain ended at its deadline" in said
    assert "default/one" in said
    await world.settle()
    assert world.claim(MACHINE, REF) is None


@pytest.mark.parametrize(
    "stays",
    [
        builders.pod(metadata=owned_by("DaemonSet")),
        builders.pod(metadata=owned_by("Node")),
        builders.pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
        builders.pod(status={"phase": "Succeeded"}),
        builders.pod(
            metadata={"deletionTimestamp": (builders.BORN - timedelta(minutes=1)).isoformat()}
        ),
    ],
    ids=["daemonset", "static", "mirror", "ended", "stuck"],
)
async def test_pods_that_cannot_leave_are_not_waited_for(stays: Pod) -> None:
    world = await guarded(stays)

    await world.settle()

    assert world.api.evictions == []
    assert world.claim(MACHINE, REF) is None


async def test_a_pod_that_is_going_is_waited_for_and_not_evicted_again() -> None:
    going = builders.pod(metadata={"deletionTimestamp": "2027-01-01T00:00:00Z"})
    world = await guarded(going)

    await world.settle(rounds=4)
    assert world.api.evictions == []
    assert world.cloud.terminations == []

    del world.api.objects[("pods", going.ref)]
    await world.settle()
    assert world.claim(MACHINE, REF) is None


async def test_a_node_deleted_by_hand_is_no_reason_to_wait() -> None:
    world = await guarded(builders.pod("one"))
    world.nodes_join = False
    node = world.nodes(NAME)[0]
    del world.api.objects[("nodes", node.ref)]

    await world.settle()

    assert world.api.evictions == []
    assert world.claim(MACHINE, REF) is None
    assert world.cloud.owned(world.owner) == []


async def test_nothing_is_evicted_from_the_node_of_somebody_elses_pool() -> None:
    world = World(MACHINE)
    pod, node = builders.pod(), builders.node()
    world.api.objects[("pods", pod.ref)] = pod
    world.api.objects[("nodes", node.ref)] = node
    world.cloud.pools[NAME] = builders.instance(world.cloud.pools["system"].state)
    world.create(metadata={"finalizers": ["karpenter.sh/termination"]})
    world.delete()

    await world.settle()

    assert world.api.evictions == []
    assert not world.nodes(NAME)[0].spec.unschedulable
    assert world.claim(MACHINE, REF) is None


async def graceful(grace: str) -> World:
    """A deleted NodeClaim that says how long its pods have, and one that may not be moved."""
    world = World(NODE_CLAIM)
    world.create(spec={"terminationGracePeriod": grace})
    await world.settle()
    world.api.objects[("pods", builders.pod("one").ref)] = builders.pod("one")
    world.api.budgets = {"one"}
    world.delete()
    return world


@pytest.mark.parametrize(
    ("grace", "seconds"), [("40s", 40), ("10m", 600), ("1h30m", 5400), ("0s", 0)]
)
async def test_a_node_claim_says_itself_how_long_its_pods_have(grace: str, seconds: int) -> None:
    world = await graceful(grace)
    begun = world.clock.at

    while not world.cloud.terminations:
        await world.round(seconds=10)

    assert 0 <= world.clock.at - begun - seconds <= 20, "a round, and one for a newer list"


async def test_a_node_claim_does_not_end_at_its_expiry() -> None:
    world = World(NODE_CLAIM)
    world.create(spec={"expireAfter": "1h"})
    await world.settle()

    await world.settle(rounds=30, seconds=600)

    assert world.is_ready
    assert not world.stored().is_deleting
