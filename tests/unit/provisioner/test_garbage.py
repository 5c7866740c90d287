"""What is left over, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from kaito.kube.kinds import Node
from provisioner.cloud import Instance, InstanceState
from provisioner.controllers.garbage.plan import Observed, orphans, strays
from provisioner.controllers.machine.kinds import MACHINE
from provisioner.failures import CapacityUnavailable, CloudUnavailable, OperationInProgress
from provisioner.instances import Listing
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Fuse
from tests.unit.provisioner.builders import BORN, NAME, UID
from tests.unit.provisioner.simulation import Skies, World

OLD = BORN + timedelta(seconds=61)
RUNNING = builders.instance(InstanceState.RUNNING, of=builders.owner())


def observed(instance: Instance | None = RUNNING, **changes: Any) -> Observed:
    """An old orphan that was in the last two lists, unless changed."""
    held = {} if instance is None else {NAME: instance}
    seen = Observed(
        listing=Listing(1.0, held, {NAME: RUNNING}), claims=frozenset(), nodes=(), now=OLD
    )
    return replace(seen, **changes)


def test_an_old_pool_of_ours_without_its_claim_is_an_orphan() -> None:
    assert orphans(observed()) == (RUNNING,)


@pytest.mark.parametrize("state", [InstanceState.FAILED, InstanceState.PENDING])
def test_an_orphan_in_any_state_but_deleting_is_one(state: InstanceState) -> None:
    assert orphans(observed(replace(RUNNING, state=state)))
    assert not orphans(observed(replace(RUNNING, state=InstanceState.DELETING)))


def test_a_pool_without_our_mark_is_never_an_orphan() -> None:
    assert not orphans(observed(replace(RUNNING, owner=None)))


def test_a_pool_whose_claim_exists_is_no_orphan_even_while_it_is_deleted() -> None:
    assert not orphans(observed(claims=frozenset({UID})))


def test_a_namesake_of_the_claim_does_not_keep_its_pool() -> None:
    assert orphans(observed(claims=frozenset({"another-uid"})))


def test_a_young_pool_and_one_of_unknown_age_are_left_alone() -> None:
    assert not orphans(observed(now=BORN + timedelta(seconds=59)))
    assert not orphans(observed(replace(RUNNING, created=None)))


def test_one_list_is_not_enough() -> None:
    assert not orphans(observed(listing=Listing(1.0, {NAME: RUNNING}, {})))
    other = replace(RUNNING, owner=builders.owner(uid="another-uid"))
    assert not orphans(observed(listing=Listing(1.0, {NAME: RUNNING}, {NAME: other})))


def test_a_node_of_ours_whose_pool_is_in_neither_list_is_a_stray() -> None:
    system = {"system": builders.instance(InstanceState.RUNNING, name="system")}
    gone = Listing(1.0, system, system)

    assert strays(observed(listing=gone, nodes=(builders.node(),))) == (builders.node(),)
    assert not strays(observed(listing=Listing(1.0, system, {NAME: RUNNING}), nodes=(NODE,)))
    assert not strays(observed(listing=Listing(1.0, {NAME: RUNNING}, system), nodes=(NODE,)))
    assert not strays(observed(listing=Listing(1.0, {}, {}), nodes=(NODE,)))
    assert not strays(observed(listing=gone, nodes=(NODE,), now=BORN))


NODE = builders.node()


@pytest.mark.parametrize(
    "missing", ["kaito.sh/machine-type", "agentpool", "kubernetes.azure.com/agentpool"]
)
def test_a_node_without_our_marks_is_never_a_stray(missing: str) -> None:
    marks = {key: value for key, value in NODE.metadata.labels.items() if key != missing}
    metadata = {**NODE.metadata.model_dump(by_alias=True), "labels": marks}
    system = {"system": builders.instance(InstanceState.RUNNING, name="system")}
    nodes = (builders.node(metadata=metadata),)

    assert not strays(observed(listing=Listing(1.0, system, system), nodes=nodes))


async def sweep(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.clock.at += 30
        world.cloud.turn()
        await world.instances.refresh()
        assert world.instances.listing is not None
        await world.garbage.sweep(world.instances.listing)


async def test_a_pool_leaked_by_a_lost_claim_is_given_back_with_its_node() -> None:
    world = World(MACHINE)
    world.create()
    await world.settle()
    world.api.objects.pop((MACHINE.resource.plural, world.stored().ref))

    await sweep(world, times=6)

    assert world.cloud.owned(world.owner) == []
    assert world.cloud.terminations == [NAME]
    assert world.all_nodes() == ()
    assert "system" in world.cloud.pools


async def test_a_leftover_is_told_once_with_its_age_before_it_is_removed() -> None:
    world = World(MACHINE)
    world.create()
    await world.settle(rounds=6)
    world.api.objects.pop((MACHINE.resource.plural, world.stored().ref))
    world.events.told.clear()

    world.clock.at += 1
    await world.instances.refresh()
    assert world.instances.listing is not None
    await world.garbage.sweep(world.instances.listing)

    assert world.events.told == [("Warning", "InstanceOrphaned")]
    assert world.cloud.terminations == []
    assert REGISTRY.get_sample_value("kaito_orphans", {"kind": "instance"}) == 1
    age = REGISTRY.get_sample_value("kaito_orphan_age_seconds", {"kind": "instance"})
    assert age is not None
    assert 0 < age < 60

    await sweep(world, times=6)
    assert world.events.told == [("Warning", "InstanceOrphaned"), ("Warning", "NodeOrphaned")]
    assert REGISTRY.get_sample_value("kaito_orphan_age_seconds", {"kind": "instance"}) == 0


async def test_where_only_reports_are_wanted_nothing_is_removed() -> None:
    world = World(MACHINE)
    world.garbage = replace(world.garbage, deletes=False)
    world.create()
    await world.settle()
    world.api.objects.pop((MACHINE.resource.plural, world.stored().ref))

    await sweep(world, times=6)

    assert world.cloud.terminations == []
    assert len(world.all_nodes()) == 1
    assert ("Warning", "InstanceOrphaned") in world.events.told


async def test_a_claim_that_the_informer_does_not_know_yet_keeps_its_pool() -> None:
    world = World(MACHINE)
    world.create()
    await world.settle()
    world.garbage = replace(world.garbage, census=Blind())

    world.events.told.clear()
    await sweep(world, times=6)

    assert world.cloud.terminations == []
    assert world.events.told == []


async def orphaned() -> World:
    """A world whose claim was lost, and its pool old enough to go."""
    world = World(MACHINE)
    world.create()
    await world.settle(rounds=40)
    world.api.objects.pop((MACHINE.resource.plural, world.stored().ref))
    return world


async def asked_at(world: World, seconds: int) -> list[float]:
    """When the pool was asked to go, from the first time on; a list is made each second."""
    times: list[float] = []
    for _ in range(seconds):
        before = len(world.cloud.terminations)
        world.clock.at += 1
        world.cloud.turn()
        await world.instances.refresh()
        assert world.instances.listing is not None
        await world.garbage.sweep(world.instances.listing)
        times += [world.clock.at] * (len(world.cloud.terminations) - before)
    return [each - times[0] for each in times]


async def test_a_pool_that_does_not_go_is_asked_again_after_a_doubling_pause() -> None:
    world = await orphaned()
    world.cloud.undeletable = CapacityUnavailable("Locked", "there is a lock")

    assert await asked_at(world, 160) == [0, 10, 30, 70, 150]

    world.cloud.undeletable = None
    await asked_at(world, 170)
    assert world.cloud.owned(world.owner) == []


async def test_a_pool_whose_deletion_is_refused_is_asked_again_after_that_refusals_pause() -> None:
    world = await orphaned()
    cloud = Busy(Fuse(), world.clock, pools=world.cloud.pools)
    world.garbage = replace(world.garbage, cloud=cloud)
    world.cloud = cloud

    assert await asked_at(world, 150) == [0, 10, 30, 70, 130]


async def test_a_pool_goes_when_it_is_its_turn() -> None:
    world = await orphaned()
    world.cloud.turns.refused(20)

    await asked_at(world, 21)
    assert world.cloud.terminations == []

    assert await asked_at(world, 3) == [0]


async def test_who_has_lost_the_lease_removes_nothing_and_does_not_end_of_it() -> None:
    world = await orphaned()
    world.leads = False

    await asked_at(world, 90)

    assert world.cloud.terminations == []


class Busy(Skies):
    """A cloud that refuses each deletion."""

    async def terminate(self, name: str) -> None:
        """As `Cloud.terminate`."""
        self.terminations.append(name)
        raise OperationInProgress("OperationNotAllowed", "another operation is in progress")


class Blind:
    """Informers that know of nothing."""

    def uids(self) -> frozenset[str]:
        """No claims."""
        return frozenset()

    def all_nodes(self) -> tuple[Node, ...]:
        """No nodes."""
        return ()


async def test_nothing_is_swept_while_the_cloud_cannot_be_listed() -> None:
    world = World(MACHINE)
    world.create()
    await world.settle()
    world.cloud.pools = {"system": world.cloud.pools["system"]}
    world.cloud.mute = CloudUnavailable("Timeout", "no answer")

    await sweep(world)

    assert len(world.all_nodes()) == 1
