"""Whose a claim is: a workspace's or a RAG engine's Machine, and a NodeClaim of our class."""

from __future__ import annotations

import pytest

from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM, ClaimKind
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, World

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@both
async def test_a_rag_engines_claim_is_carried_out_from_its_launch_to_its_end(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.create(metadata={"labels": {"kaito.sh/ragengine": "library"}})
    await world.settle()

    pool = world.cloud.pools[NAME]
    assert world.condition("Ready")[0] == "True"
    assert world.cloud.launches == [NAME]
    assert pool.labels["kaito.sh/ragengine"] == "library"
    assert pool.owner is not None
    assert pool.owner.workspace == "library"
    assert world.nodes(NAME)[0].metadata.labels["kaito.sh/ragengine"] == "library"

    world.delete()
    await world.settle()
    assert world.claim(kind, REF) is None
    assert set(world.cloud.pools) == {"system"}


async def test_a_machine_of_nobody_that_we_know_is_left_alone() -> None:
    world = World(MACHINE)
    world.create(metadata={"labels": {"apps": "phi-3"}})

    await world.settle()

    assert world.stored().metadata.finalizers == ()
    assert world.cloud.launches == []


@pytest.mark.parametrize(
    "reference",
    [
        {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"},
        {"group": "kaito.sh", "kind": "AnotherClass", "name": "default"},
    ],
    ids=lambda reference: reference["kind"],
)
async def test_a_node_claim_of_another_class_is_left_alone_whatever_its_labels(
    reference: dict[str, str],
) -> None:
    world = World(NODE_CLAIM)
    world.create(spec={"nodeClassRef": reference})

    await world.settle()

    assert world.stored().metadata.finalizers == ()
    assert world.cloud.launches == []
