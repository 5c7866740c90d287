"""A claim for which no machine could be asked for in time says so, and none is bought twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.cloud import InstanceSpec
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.controllers.machine.observe import Deadlines
from provisioner.failures import (
    BadRequest,
    CloudDenied,
    CloudError,
    CloudUnavailable,
    OperationInProgress,
    QuotaExceeded,
)
from tests.unit.provisioner.apiserver import Fuse
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, Skies, World

SHORT = Deadlines(launch_seconds=600)
LONG = 100
"""Refusals, more than there are tries before the deadline."""

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def said(world: World) -> str:
    told = {each.type: each for each in world.stored().status.conditions}
    return told["Ready"].message


@both
@pytest.mark.parametrize(
    "failure",
    [
        CloudUnavailable("Timeout", "The cloud did not answer"),
        OperationInProgress("OperationNotAllowed", "The cluster is being upgraded"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_what_is_only_waited_for_is_a_failure_after_the_deadline_and_is_tried_on(
    kind: ClaimKind, failure: CloudError
) -> None:
    world = World(kind, deadlines=SHORT)
    world.cloud.refusals = [failure] * LONG
    world.create()
    reason = type(failure).__name__
    await world.settle(rounds=59, seconds=10)
    assert world.condition("Launched") == ("Unknown", reason)
    tries = len(world.cloud.refused)

    await world.settle(rounds=100, seconds=10)

    assert world.condition("Launched") == world.condition("Ready") == ("False", reason)
    assert said(world).startswith(f"Overdue: {failure.message}. ")
    assert len(world.cloud.refused) > tries
    assert [event for event in world.events.told if event == ("Warning", reason)] == [
        ("Warning", reason)
    ]

    world.cloud.refusals.clear()
    await world.settle(rounds=40, seconds=10)
    assert world.is_ready
    assert world.cloud.launches == [NAME]


async def test_a_restart_finds_what_was_said_of_an_overdue_claim_and_adds_nothing() -> None:
    world = World(MACHINE, deadlines=SHORT)
    world.cloud.refusals = [CloudUnavailable("Timeout", "The cloud did not answer")] * LONG
    world.create()
    await world.settle(rounds=100, seconds=10)
    before = said(world)

    for _ in range(3):
        world.restart()
        await world.round(seconds=1)
        assert said(world) == before
        await world.settle(rounds=2)

    assert said(world) == before
    assert before.count("Overdue") == 1


@both
async def test_a_cloud_that_cannot_be_listed_is_overdue_and_nothing_was_ever_asked_for(
    kind: ClaimKind,
) -> None:
    world = World(kind, deadlines=SHORT)
    world.cloud.mute = CloudUnavailable("Timeout", "The cloud did not answer")
    world.create()

    await world.settle(rounds=70, seconds=10)
    assert world.condition("Launched") == ("False", "CloudUnavailable")
    assert world.cloud.launches == world.cloud.refused == []

    world.cloud.mute = None
    await world.settle(rounds=10)
    assert world.is_ready


async def test_a_cause_that_a_person_has_to_act_on_is_said_as_it_was() -> None:
    world = World(MACHINE, deadlines=SHORT)
    world.cloud.refusals = [CloudDenied("AuthorizationFailed", "no role")] * LONG
    world.create()

    await world.settle(rounds=100, seconds=10)

    assert world.condition("Launched") == ("False", "CloudDenied")
    assert said(world).startswith("no role. ")


async def test_an_instance_that_failed_late_is_given_back_and_followed() -> None:
    world = World(MACHINE, deadlines=SHORT)
    world.cloud.refusals = [CloudUnavailable("Timeout", "no answer")] * 10
    world.cloud.fates = [CloudUnavailable("InternalOperationError", "no answer")]
    world.create()
    await world.settle(rounds=70, seconds=10)
    assert world.condition("Launched") == ("False", "CloudUnavailable")
    assert world.cloud.launches == []

    await world.settle(rounds=200, seconds=10)

    assert world.is_ready
    assert world.cloud.launches == [NAME, NAME]
    assert world.cloud.terminations == [NAME]


@both
@pytest.mark.parametrize(
    "failure",
    [
        CloudUnavailable("Timeout", "no answer"),
        CloudDenied("AuthorizationFailed", "no role"),
        QuotaExceeded("QuotaExceeded", "no cores"),
        BadRequest("InvalidParameter", "wrong"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_with_delete_a_claim_that_was_never_launched_goes_at_the_deadline(
    kind: ClaimKind, failure: CloudError
) -> None:
    world = World(kind, deadlines=replace(SHORT, deletes=True))
    world.cloud.refusals = [failure] * LONG
    world.create()
    await world.settle(rounds=58, seconds=10)
    assert not world.stored().is_deleting

    await world.settle(rounds=5, seconds=10)

    assert world.claim(kind, REF) is None
    assert world.cloud.launches == []


@both
async def test_with_delete_a_claim_stays_until_the_cloud_says_that_nothing_is_left(
    kind: ClaimKind,
) -> None:
    world = World(kind, deadlines=replace(SHORT, deletes=True))
    world.cloud = Deaf(Fuse(), world.clock)
    world.restart()
    world.create()
    await world.settle(rounds=2)
    assert world.cloud.launches == [NAME]
    world.cloud.mute = CloudUnavailable("Timeout", "no answer")
    await world.settle(rounds=70, seconds=10)
    assert world.stored().is_deleting

    world.cloud.mute = None
    await world.settle(rounds=10)

    assert world.claim(kind, REF) is None
    assert world.cloud.launches == world.cloud.terminations == [NAME]
    assert world.cloud.owned(world.owner) == []
    assert world.released_with == []


class Deaf(Skies):
    """A cloud that carries launches out, and whose answers to them are lost."""

    async def launch(self, spec: InstanceSpec) -> None:
        """As `Cloud.launch`."""
        await super().launch(spec)
        raise CloudUnavailable("Timeout", "no answer")
