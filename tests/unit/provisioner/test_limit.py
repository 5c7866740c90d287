"""So many claims at once that the cluster has no room for all of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from kaito.kube.objects import Ref
from provisioner.cloud import INSTANCE_LIMIT, InstanceSpec, InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, Aspect, ClaimKind
from provisioner.controllers.machine.reservations import Reservations
from provisioner.failures import (
    CloudError,
    CloudUnavailable,
    ClusterFull,
    InstanceExists,
    QuotaExceeded,
)
from provisioner.instances import Listing
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Fuse, Time
from tests.unit.provisioner.simulation import Skies, World

CLAIMS = 110
ROOM = 99
"""One of the hundred is the system's."""


@dataclass
class Slow(Skies):
    """A cloud whose answers to launches wait for `answers`; `everybody` who has room has asked."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)
    everybody: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def launch(self, spec: InstanceSpec) -> None:
        """As `Cloud.launch`."""
        self.asked += 1
        if self.asked == ROOM:
            self.everybody.set()
        await self.answers.wait()
        if len(self.pools) >= INSTANCE_LIMIT:
            self.refused.append(spec.name)
            raise ClusterFull("MaxAgentPoolCountReached", "no more than 100")
        await super().launch(spec)


def crowd(kind: ClaimKind) -> tuple[World, Slow, list[Ref]]:
    """A world with all the claims, and its cloud."""
    world = World(kind)
    world.nodes_join = False
    cloud = Slow(Fuse(), world.clock)
    world.cloud = cloud
    world.restart()
    refs = []
    for number in range(CLAIMS):
        made = builders.claim(
            kind, metadata={"name": f"ws{number:03d}", "uid": f"uid-{number:03d}"}
        )
        world.api.objects[(kind.resource.plural, made.ref)] = made
        refs.append(made.ref)
    return world, cloud, refs


async def tick(world: World, refs: list[Ref], seconds: float = 2.0) -> None:
    """A list, then one pass of every claim, all at the same time."""
    world.clock.at += seconds
    world.cloud.turn()
    await world.instances.refresh()
    await asyncio.gather(*(world.controller.reconcile(ref) for ref in refs))


def reasons(world: World, refs: list[Ref]) -> list[str]:
    """What each claim says of its launch."""
    claims = [world.claim(world.kind, ref) for ref in refs]
    wanted = world.kind.condition_type(Aspect.LAUNCHED)
    return [
        next((each.reason for each in claim.status.conditions if each.type == wanted), "")
        for claim in claims
        if claim
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_of_110_claims_at_once_11_are_told_that_the_cluster_is_full_and_never_ask(
    kind: ClaimKind,
) -> None:
    world, cloud, refs = crowd(kind)
    await tick(world, refs)
    passes = asyncio.create_task(tick(world, refs))
    await cloud.everybody.wait()
    cloud.answers.set()
    await passes

    await tick(world, refs)
    assert cloud.asked == len(cloud.launches) == ROOM
    assert cloud.refused == []
    assert reasons(world, refs).count("AgentPoolLimit") == CLAIMS - ROOM


async def test_whoever_found_no_room_gets_a_place_that_became_free() -> None:
    world, cloud, refs = crowd(MACHINE)
    cloud.answers.set()
    for _ in range(3):
        await tick(world, refs)
    told = zip(refs, reasons(world, refs), strict=True)
    full = [ref for ref, reason in told if reason == "AgentPoolLimit"]
    assert len(full) == CLAIMS - ROOM

    del cloud.pools["ws000"], cloud.pools["ws001"]
    await tick(world, full, seconds=61)
    for _ in range(2):
        await tick(world, full)

    assert len(cloud.launches) == ROOM + 2
    assert reasons(world, full).count("AgentPoolLimit") == CLAIMS - ROOM - 2
    assert cloud.refused == []


LISTED = Listing(10.0, {"system": builders.instance(InstanceState.RUNNING, name="system")})


@pytest.mark.parametrize(
    ("failure", "places"),
    [
        (None, 1),
        (CloudUnavailable("Timeout", "no answer"), 1),
        (InstanceExists("EtagMismatch", "there is one"), 1),
        (QuotaExceeded("QuotaExceeded", "no"), 0),
        (ValueError("a bug"), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_place_is_kept_while_there_may_be_an_instance(
    failure: CloudError | ValueError | None, places: int
) -> None:
    clock, taken = Time(), Reservations()
    clock.at = 10.0
    assert taken.beside("other", LISTED) == 0

    with suppress(CloudError, ValueError), taken.held("ws1", clock):
        assert taken.beside("other", LISTED) == 1
        assert taken.beside("ws1", LISTED) == 0
        if failure:
            raise failure

    assert taken.beside("other", LISTED) == places
    listed = {**LISTED.instances, "ws1": builders.instance(InstanceState.RUNNING, name="ws1")}
    assert taken.beside("other", Listing(11.0, listed)) == 0
    assert taken.beside("other", Listing(16.0, LISTED.instances)) == 0
