"""What the cloud refuses or fails is told with its class, and tried again no sooner than that."""

from __future__ import annotations

import pytest

from provisioner.cloud import InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.failures import (
    BadRequest,
    CapacityUnavailable,
    CloudDenied,
    CloudThrottled,
    CloudUnavailable,
    ClusterMissing,
    OperationInProgress,
    QuotaExceeded,
    SkuUnavailable,
)
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, World

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


REFUSALS = (
    (QuotaExceeded, "QuotaExceeded", "False"),
    (CapacityUnavailable, "CapacityUnavailable", "False"),
    (CloudDenied, "CloudDenied", "False"),
    (ClusterMissing, "ClusterMissing", "False"),
    (OperationInProgress, "OperationInProgress", "Unknown"),
    (CloudUnavailable, "CloudUnavailable", "Unknown"),
)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[1])
async def test_a_refused_launch_is_told_and_tried_again_after_its_wait(
    case: tuple[type[QuotaExceeded], str, str],
) -> None:
    cls, reason, status = case
    world = World(MACHINE)
    world.cloud.refusals = [cls("Code", "The cloud's own words.")]
    world.create()

    await world.settle(rounds=2)
    assert world.condition("Launched") == (status, reason)
    told = next(c for c in world.stored().status.conditions if c.type == "MachineLaunched")
    assert told.message.startswith("The cloud's own words. ")
    assert world.cloud.launches == []

    await world.settle(rounds=90)
    assert world.is_ready
    assert world.cloud.refused == [NAME]
    assert [event for event in world.events.told if event[1] == reason] == [
        ("Warning" if status == "False" else "Normal", reason)
    ]


@pytest.mark.parametrize("cls", [SkuUnavailable, BadRequest])
async def test_a_permanent_refusal_is_never_tried_again(cls: type[BadRequest]) -> None:
    world = World(MACHINE)
    world.cloud.refusals = [cls("Code", "No."), None]
    world.create()

    await world.settle(rounds=60, seconds=60)
    world.restart()
    await world.settle(rounds=60, seconds=60)

    assert world.cloud.refused == [NAME]
    assert world.cloud.launches == []
    world.delete()
    await world.settle()
    assert world.claim(MACHINE, REF) is None


async def test_a_quota_refusal_backs_off_across_a_restart() -> None:
    world = World(MACHINE)
    world.cloud.refusals = [QuotaExceeded("Code", "No.")] * 5
    world.create()
    await world.settle(rounds=3)

    for _ in range(10):
        world.restart()
        await world.settle(rounds=2)

    assert world.cloud.refused == [NAME]


async def test_throttling_is_waited_out_as_long_as_the_cloud_asked() -> None:
    world = World(MACHINE)
    world.cloud.refusals = [CloudThrottled("Throttled", "Slow down", retry_after_seconds=40)]
    world.create()

    await world.settle(rounds=15)
    assert world.cloud.launches == []
    assert world.condition("Launched") == ("Unknown", "CloudThrottled")
    await world.settle(rounds=15)

    assert world.is_ready


@both
async def test_a_failed_pool_is_removed_before_the_next_try(kind: ClaimKind) -> None:
    world = World(kind)
    world.cloud.fates = [CapacityUnavailable("AllocationFailed", "None left."), None]
    world.create()

    await world.settle(rounds=5)
    assert world.condition("Launched") == ("False", "CapacityUnavailable")
    assert world.cloud.terminations == [NAME]
    assert world.cloud.launches == [NAME]
    assert world.cloud.owned(world.owner) == []

    await world.settle(rounds=40)
    assert world.is_ready
    assert world.cloud.launches == [NAME, NAME]


@both
async def test_why_a_pool_failed_outlives_a_lost_answer_to_its_deletion(kind: ClaimKind) -> None:
    world = World(kind)
    world.cloud.fates = [SkuUnavailable("NotAvailableForSubscription", "Not sold."), None]
    world.cloud.unheard = [CloudUnavailable("", "the connection broke")]
    world.create()

    await world.settle(rounds=60, seconds=60)
    assert world.condition("Launched") == ("False", "SkuUnavailable")
    world.restart()
    await world.settle(rounds=60, seconds=60)

    assert world.cloud.launches == [NAME]
    assert world.cloud.owned(world.owner) == []


async def test_a_lost_answer_to_a_deletion_brings_the_next_launch_no_nearer() -> None:
    lost, heard = World(MACHINE), World(MACHINE)
    lost.cloud.unheard = [CloudUnavailable("", "the connection broke")]

    rounds = []
    for world in (lost, heard):
        world.cloud.fates = [QuotaExceeded("QuotaExceeded", "None left."), None]
        world.create()
        taken = 0
        while len(world.cloud.launches) < 2:
            await world.round()
            taken += 1
        rounds.append(taken)

    assert rounds[0] >= rounds[1] > 10


async def test_a_claim_that_cannot_be_names_the_field_and_the_remedy() -> None:
    world = World(MACHINE)
    world.create(spec={"resources": {"requests": {"storage": "0"}}})

    await world.settle()

    told = next(c for c in world.stored().status.conditions if c.type == "MachineLaunched")
    assert (told.status, told.reason) == ("False", "InvalidClaim")
    assert "spec.resources.requests.storage" in told.message
    assert world.cloud.launches == []


async def test_a_full_cluster_is_said_and_nothing_is_asked_of_azure() -> None:
    world = World(MACHINE)
    for number in range(99):
        name = f"other{number}"
        world.cloud.pools[name] = builders.instance(InstanceState.RUNNING, name=name)
    world.create()

    await world.settle(rounds=4)
    assert world.condition("Launched") == ("False", "AgentPoolLimit")
    assert world.cloud.launches == []
    assert world.cloud.refused == []

    del world.cloud.pools["other7"]
    await world.settle(rounds=8)
    assert world.is_ready
