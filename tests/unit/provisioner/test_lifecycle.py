"""Whole lives of a claim, with the real controllers over an API server and a cloud in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.errors import Conflict
from kaito.kube.lease import NotLeading
from provisioner.cloud import InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM, ClaimKind
from provisioner.failures import (
    CloudUnavailable,
    QuotaExceeded,
)
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Fuse
from tests.unit.provisioner.builders import NAME, PROVIDER_ID
from tests.unit.provisioner.simulation import REF, World

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


async def up(kind: ClaimKind) -> World:
    world = World(kind)
    world.create()
    await world.settle()
    assert world.is_ready
    return world


@both
async def test_a_claim_becomes_ready_with_one_launch(kind: ClaimKind) -> None:
    world = await up(kind)

    assert world.cloud.launches == [NAME]
    status = world.stored().status
    assert status.provider_id == PROVIDER_ID
    assert status.node_name == builders.node().metadata.name
    assert status.allocatable["nvidia.com/gpu"] == "1"
    marks = world.nodes(NAME)[0].metadata.labels
    assert marks["karpenter.sh/registered"] == "true"
    assert marks["karpenter.sh/initialized"] == "true"
    assert marks["apps"] == "phi-3"
    assert world.stored().metadata.labels["node.kubernetes.io/instance-type"] == builders.SIZE


@both
async def test_w2_a_quiet_claim_is_not_written_again(kind: ClaimKind) -> None:
    world = await up(kind)
    before = world.stored().metadata.resource_version

    await world.settle()

    assert world.stored().metadata.resource_version == before


@both
async def test_a_node_that_is_usable_is_labelled_once_and_that_is_no_news_of_the_claim(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.create()
    versions = []
    for _ in range(12):
        world.clock.at += 2
        world.cloud.turn()
        world._join()
        await world.instances.refresh()
        labels = [dict(each.metadata.labels) for each in world.nodes(NAME)]
        version = world.stored().metadata.resource_version
        await world.controller.reconcile(REF)
        if labels != [dict(each.metadata.labels) for each in world.nodes(NAME)]:
            versions.append((version, world.stored().metadata.resource_version))

    assert world.is_ready
    assert len(versions) == 1
    assert all(before == after for before, after in versions)


@both
async def test_a_transition_is_told_once_even_when_the_informer_lags(kind: ClaimKind) -> None:
    world = World(kind)
    world.lags = world.cloud.still = True
    world.create()
    await world.settle()
    world.cloud.still = False
    await world.settle()

    assert world.is_ready
    told = [reason for _, reason in world.events.told]
    assert sorted(set(told)) == sorted(told)
    assert set(told) == {"Launching", "Ready"}


@both
async def test_a_deleted_claim_gives_everything_back(kind: ClaimKind) -> None:
    world = await up(kind)

    world.delete()
    await world.settle()

    assert world.claim(kind, REF) is None
    assert world.cloud.owned(world.owner) == []
    assert world.all_nodes() == ()
    assert world.released_with == []
    assert world.cloud.terminations == [NAME]


@both
async def test_f1_the_finalizer_is_stored_before_the_first_call_to_launch(kind: ClaimKind) -> None:
    world = World(kind)
    world.create()

    await world.instances.refresh()
    await world.controller.reconcile(REF)

    assert world.stored().metadata.finalizers == ("karpenter.sh/termination",)
    assert world.cloud.launches == []


async def test_a_derived_pool_name_is_noted_on_the_claim() -> None:
    long = builders.claim(MACHINE, metadata={"name": "a-name.that-no-pool-may-have"})
    world = World(MACHINE)
    world.api.objects[(MACHINE.resource.plural, long.ref)] = long

    await world.controller.reconcile(long.ref)
    stored = world.claim(MACHINE, long.ref)
    assert stored is not None
    noted = stored.metadata.annotations["kaito.sh/agent-pool"]
    await world.instances.refresh()
    world.clock.at += 1
    await world.instances.refresh()
    await world.controller.reconcile(long.ref)

    assert world.cloud.launches == [noted]


async def test_nothing_is_launched_before_a_list_newer_than_the_claim() -> None:
    world = World(MACHINE)
    await world.instances.refresh()
    world.clock.at += 1
    world.create()

    for _ in range(5):
        await world.controller.reconcile(REF)
    assert world.condition("Launched") == ("", "")
    world.clock.at += 1
    await world.controller.reconcile(REF)
    assert world.cloud.launches == []
    assert world.condition("Launched") == ("Unknown", "LookingAtInstances")

    world.clock.at += 1
    await world.instances.refresh()
    await world.controller.reconcile(REF)
    assert world.cloud.launches == [NAME]


async def test_nothing_is_launched_for_a_claim_that_changed_behind_the_informers_back() -> None:
    for behind in ("deleted", "replaced", "gone", "refused"):
        world = World(MACHINE)
        world.create()
        await world.round()
        world.old, world.lags = dict(world.api.objects), True
        if behind == "gone":
            world.api.objects.clear()
        elif behind == "replaced":
            world.create(metadata={"uid": "another", "finalizers": ["karpenter.sh/termination"]})
        elif behind == "refused":
            told = {"type": "MachineLaunched", "status": "False", "reason": "SkuUnavailable"}
            world.create(
                metadata={"finalizers": ["karpenter.sh/termination"]},
                status={"conditions": [told]},
            )
        else:
            world.delete()

        world.clock.at += 1
        await world.instances.refresh()
        with pytest.raises(Conflict):
            await world.controller.reconcile(REF)
        assert world.cloud.launches == []


async def test_a_process_that_does_not_lead_touches_nothing_in_the_cloud() -> None:
    world = World(MACHINE)
    world.create()
    await world.round()
    world.leads = False

    world.clock.at += 1
    await world.instances.refresh()
    with pytest.raises(NotLeading):
        await world.controller.reconcile(REF)
    assert world.cloud.launches == []

    world.leads = True
    await world.settle()
    world.delete()
    world.leads = False
    with pytest.raises(NotLeading):
        await world.settle(rounds=2)
    assert world.cloud.terminations == []


async def test_a_deletion_waits_for_a_list_that_is_newer_than_itself() -> None:
    world = World(MACHINE)
    world.cloud.refusals = [QuotaExceeded("Code", "No.")]
    world.create()
    await world.settle(rounds=3)
    late = builders.instance(InstanceState.RUNNING, of=world.owner)
    world.cloud.pools[NAME] = late

    world.clock.at += 1
    world.delete()
    for _ in range(3):
        await world.controller.reconcile(REF)
    assert world.stored().metadata.finalizers

    await world.settle()
    assert world.claim(MACHINE, REF) is None
    assert world.released_with == []


async def test_a_node_is_cordoned_before_its_machine_goes() -> None:
    world = await up(MACHINE)
    world.delete()

    await world.settle(rounds=2)

    assert world.nodes(NAME)[0].spec.unschedulable
    assert world.cloud.terminations == [NAME]


async def test_an_empty_or_failed_list_is_never_read_as_everything_is_gone() -> None:
    world = await up(MACHINE)
    system = world.cloud.pools

    world.cloud.pools = {}
    await world.settle(rounds=4)
    assert world.condition("Ready")[0] == "True"
    world.delete()
    await world.settle(rounds=4)
    assert world.stored().metadata.finalizers

    world.cloud.pools = system
    world.cloud.mute = CloudUnavailable("Timeout", "no answer")
    await world.settle(rounds=4)
    assert world.stored().metadata.finalizers
    world.cloud.mute = None
    await world.settle()
    assert world.claim(MACHINE, REF) is None
    assert world.released_with == []


@both
async def test_a_pool_that_somebody_else_deleted_is_not_launched_again(kind: ClaimKind) -> None:
    world = await up(kind)

    del world.cloud.pools[NAME]
    await world.settle()

    assert world.condition("Launched") == ("False", "InstanceGone")
    assert world.condition("Ready")[0] == "False"
    assert world.cloud.launches == [NAME]


@both
@pytest.mark.parametrize("state", [InstanceState.FAILED, InstanceState.PENDING])
async def test_a_failed_update_of_a_pool_that_serves_costs_no_machine(
    kind: ClaimKind, state: InstanceState
) -> None:
    world = await up(kind)

    world.cloud.pools[NAME] = replace(world.cloud.pools[NAME], state=state)
    await world.settle(rounds=1)

    assert world.is_ready
    assert world.cloud.terminations == []


@both
async def test_a_node_deleted_by_hand_is_said_at_once_and_may_come_back(kind: ClaimKind) -> None:
    world = await up(kind)
    node = world.nodes(NAME)[0]
    world.nodes_join = False
    del world.api.objects[("nodes", node.ref)]

    await world.settle(rounds=1)
    assert world.condition("Registered") == ("False", "NodeGone")
    assert world.condition("Ready")[0] == "False"

    world.nodes_join = True
    await world.settle()
    assert world.is_ready
    assert world.cloud.launches == [NAME]


@both
async def test_another_machine_does_not_pass_for_the_one_that_registered(kind: ClaimKind) -> None:
    world = await up(kind)
    node = builders.node(spec={"providerID": f"{PROVIDER_ID}-another"})
    world.api.objects[("nodes", node.ref)] = node

    await world.settle()

    assert world.condition("Registered") == ("False", "NodeReplaced")
    assert world.condition("Ready")[0] == "False"
    assert world.stored().status.provider_id == PROVIDER_ID


@both
async def test_a_pool_that_never_had_a_node_is_not_bought_twice_either(kind: ClaimKind) -> None:
    world = World(kind)
    world.nodes_join = False
    world.create()
    await world.settle()
    assert world.condition("Launched")[0] == "True"

    world.cloud.pools[NAME] = replace(world.cloud.pools[NAME], state=InstanceState.DELETING)
    await world.settle()

    assert world.condition("Launched") == ("False", "InstanceGone")
    assert world.cloud.launches == [NAME]


async def test_a_foreign_pool_of_the_name_is_neither_adopted_nor_deleted() -> None:
    world = World(MACHINE)
    world.cloud.pools[NAME] = builders.instance(InstanceState.RUNNING)
    world.create()

    await world.settle()
    assert world.condition("Launched") == ("False", "NameTaken")

    world.delete()
    await world.settle()
    assert world.claim(MACHINE, REF) is None
    assert world.cloud.terminations == []
    assert NAME in world.cloud.pools


async def test_the_pool_of_an_earlier_claim_of_the_name_is_waited_out() -> None:
    world = World(MACHINE)
    older = replace(world.owner, uid="an-older-uid")
    world.cloud.pools[NAME] = builders.instance(InstanceState.DELETING, of=older)
    world.create()

    await world.settle()

    assert world.is_ready
    assert world.cloud.launches == [NAME]


async def test_claims_of_another_karpenter_are_left_alone() -> None:
    machine, node_claim = World(MACHINE), World(NODE_CLAIM)
    machine.create(metadata={"labels": {"team": "x"}})
    node_claim.create(
        spec={"nodeClassRef": {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "d"}}
    )

    for world in (machine, node_claim):
        await world.settle()
        assert world.stored().metadata.finalizers == ()
        assert world.cloud.launches == []


@both
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_call_changes_nothing_in_the_end(
    kind: ClaimKind, *, after: bool
) -> None:
    calls = (await _life(kind, Fuse())).fuse.calls
    assert calls > 20

    for number in range(1, calls + 1):
        world = await _life(kind, Fuse(burns_at=number, after=after))
        assert world.cloud.launches == [NAME], number
        assert world.released_with == [], number
        assert world.claim(kind, REF) is None, number
        assert world.cloud.owned(world.owner) == [], number
        assert world.all_nodes() == (), number


async def _life(kind: ClaimKind, fuse: Fuse) -> World:
    """Up and down again; `fuse` ends the process somewhere on the way."""
    world = World(kind, fuse=fuse)
    world.create()
    await world.settle(rounds=16)
    assert world.is_ready
    pod = builders.pod()
    world.api.objects[("pods", pod.ref)] = pod
    world.delete()
    await world.settle(rounds=16)
    assert world.api.evictions
    return world
