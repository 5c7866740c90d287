"""The shared view of the cloud: its stamp, its pace, and what it makes of bad lists."""

from __future__ import annotations

import asyncio

import pytest

from kaito.kube.objects import Ref
from provisioner.cloud import Instance, InstanceState
from provisioner.failures import CloudThrottled, CloudUnavailable
from provisioner.instances import Instances, Pace
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Fuse, Time
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import REF, Skies

PACE = Pace(idle_seconds=15, busy_seconds=2, look_seconds=0.5)


class Slow(Skies):
    """A cloud that takes its time to answer, on the clock by hand."""

    async def instances(self) -> tuple[Instance, ...]:
        """As `Cloud.instances`."""
        found = await super().instances()
        self.clock.at += 5
        return found


def view(cloud: Skies) -> Instances:
    return Instances(cloud, clock=cloud.clock, pace=PACE)


async def test_a_view_is_as_old_as_the_start_of_its_list() -> None:
    instances = view(Slow(Fuse(), Time()))

    await instances.refresh()

    assert instances.listing is not None
    assert instances.listing.as_of == 1000.0


@pytest.mark.parametrize("broken", ["empty", "failed"])
async def test_a_bad_list_leaves_the_old_view_and_says_so(broken: str) -> None:
    cloud = Skies(Fuse(), Time())
    instances = view(cloud)
    await instances.refresh()
    before = instances.listing

    cloud.clock.at += 60
    if broken == "empty":
        cloud.pools = {}
    else:
        cloud.mute = CloudUnavailable("Timeout", "no answer")
    await instances.refresh()

    assert instances.listing is before
    assert isinstance(instances.failure, CloudUnavailable)


async def test_an_absence_counts_when_two_lists_agree() -> None:
    cloud = Skies(Fuse(), Time())
    cloud.pools[NAME] = builders.instance(InstanceState.RUNNING, of=builders.owner())
    instances = view(cloud)
    await instances.refresh()
    del cloud.pools[NAME]

    await instances.refresh()
    assert instances.listing is not None
    assert not instances.listing.is_gone(NAME)
    assert instances.listing.changed() == (builders.owner(),)

    await instances.refresh()
    assert instances.listing.is_gone(NAME)
    assert instances.listing.changed() == ()


async def test_everybody_is_told_after_each_list_even_a_failed_one() -> None:
    cloud = Skies(Fuse(), Time())
    instances, told = view(cloud), list[bool]()
    instances.on_refresh(lambda: told.append(instances.failure is None))

    await instances.refresh()
    cloud.mute = CloudUnavailable("Timeout", "no answer")
    await instances.refresh()

    assert told == [True, False]


async def paced(instances: Instances, clock: Time, seconds: float) -> int:
    """Lists begun within that much time, on the clock by hand."""
    cloud = instances._cloud
    assert isinstance(cloud, Skies)
    before, end = cloud.lists, clock.at + seconds
    while clock.at < end:
        if instances._begun + instances._seconds() <= clock.at:
            await instances.refresh()
        clock.at += 0.25
    return cloud.lists - before


async def test_lists_come_slowly_when_idle_and_quickly_when_busy() -> None:
    clock = Time()
    instances = view(Skies(Fuse(), clock))
    assert await paced(instances, clock, 60) == 4

    instances.watch("Machine", REF)
    assert await paced(instances, clock, 60) in {30, 31}
    instances.rest("Machine", REF)
    assert await paced(instances, clock, 60) == 4


async def test_a_burst_of_claims_is_no_burst_of_lists() -> None:
    clock = Time()
    instances = view(Skies(Fuse(), clock))
    await instances.refresh()

    for number in range(90):
        instances.watch("Machine", Ref("", f"ws{number}"))

    assert await paced(instances, clock, 2) == 1
    assert len(instances.watched("Machine")) == 90
    assert instances.watched("NodeClaim") == ()


async def test_a_throttled_list_waits_for_as_long_as_was_asked() -> None:
    clock = Time()
    cloud = Skies(Fuse(), clock)
    instances = view(cloud)
    cloud.mute = CloudThrottled("Throttled", "slow down", retry_after_seconds=20)
    await instances.refresh()
    instances.watch("Machine", REF)

    assert await paced(instances, clock, 19) == 0
    assert await paced(instances, clock, 2) == 1


async def test_a_failing_list_backs_off() -> None:
    clock = Time()
    cloud = Skies(Fuse(), clock)
    cloud.mute = CloudUnavailable("Timeout", "no answer")
    instances = view(cloud)

    assert await paced(instances, clock, 300) <= 10


async def test_a_claim_that_waits_wakes_the_loop() -> None:
    clock = Time()
    cloud = Skies(Fuse(), clock)
    instances = view(cloud)
    listed = asyncio.Event()
    instances.on_refresh(listed.set)
    loop = asyncio.create_task(instances.run())
    await asyncio.wait_for(listed.wait(), 1)
    listed.clear()

    clock.at += 1
    instances.watch("Machine", REF)
    await asyncio.wait_for(listed.wait(), 1)

    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
