"""What every `Cloud` does: each test is a rule of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from provisioner.cloud import INSTANCE_LIMIT, Instance, InstanceSpec, InstanceState, Owner
from provisioner.failures import (
    BadRequest,
    CapacityUnavailable,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    ClusterFull,
    ClusterMissing,
    InstanceExists,
    LaunchFailed,
    OperationInProgress,
    QuotaExceeded,
    SkuUnavailable,
)
from tests.conformance.cloud.conftest import CLOUDS, PREFLIGHT, Place

NAME = "ws0123456789"
SIZE = "Standard_NC24ads_A100_v4"
FAMILY = "StandardNCADSA100v4Family"
OTHER_SIZE = "Standard_NC6s_v3"
SPEC = InstanceSpec(
    name=NAME,
    vm_size=SIZE,
    owner=Owner("Machine", NAME, "11111111-2222-4333-8444-555555555555", "phi"),
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    disk_gib=50,
    labels={"kaito.sh/workspace": "phi", "kaito.sh/machine-type": "gpu"},
    taints=("sku=gpu:NoSchedule",),
    zones=("1", "2"),
    spot=True,
)
STUCK = {"match": {"pool": NAME}, "fault": "stuck-creating"}
STUCK_DELETING = {"match": {"pool": NAME}, "fault": "stuck-deleting"}


sells = pytest.mark.parametrize("place", [*CLOUDS, PREFLIGHT], indirect=True)
"""Also where the region is asked beforehand what it sells."""


def is_(state: InstanceState) -> Callable[[Instance | None], bool]:
    """Whether an instance is there in that state."""
    return lambda found: found is not None and found.state is state


def is_gone(found: Instance | None) -> bool:
    """Whether there is none."""
    return found is None


async def refused(place: Place, kind: type[CloudError], spec: InstanceSpec = SPEC) -> CloudError:
    """The refusal that a launch meets, which must be of exactly that class."""
    with pytest.raises(CloudError) as caught:
        await place.cloud.launch(spec)
    assert type(caught.value) is kind, repr(caught.value)
    return caught.value


async def test_a_cluster_has_a_pool_that_is_nobodys(place: Place) -> None:
    (system,) = await place.cloud.instances()

    assert system.state is InstanceState.RUNNING
    assert (system.owner, system.created, system.failure) == (None, None, None)


async def test_a_launch_begins_and_is_pending_until_it_runs(place: Place) -> None:
    await place.play({**STUCK, "seconds": 5})
    await place.cloud.launch(SPEC)

    pending = await place.find(NAME)
    assert pending is not None
    assert (pending.state, pending.phase) == (InstanceState.PENDING, "Creating")

    running = await place.until(NAME, is_(InstanceState.RUNNING))
    assert running is not None
    assert running.phase == "Succeeded"


async def test_an_instance_carries_what_it_was_launched_with(place: Place) -> None:
    await place.cloud.launch(SPEC)

    found = await place.find(NAME)

    assert found is not None
    assert found.name == NAME
    assert found.vm_size == SIZE
    assert found.owner == SPEC.owner
    assert found.created == SPEC.created
    assert found.labels == SPEC.labels
    assert set(found.tags) == {
        *("kaito.sh_claim-kind", "kaito.sh_claim-name", "kaito.sh_claim-uid"),
        *("kaito.sh_workspace", "kaito.sh_created"),
    }


async def test_a_launch_never_touches_an_instance_that_is_being_created(place: Place) -> None:
    await place.play(STUCK)
    await place.cloud.launch(SPEC)
    before = await place.find(NAME)

    await refused(place, InstanceExists, replace(SPEC, vm_size=OTHER_SIZE, spot=False))

    assert await place.find(NAME) == before


async def test_a_launch_never_touches_an_instance_that_runs(place: Place) -> None:
    await place.cloud.launch(SPEC)
    before = await place.until(NAME, is_(InstanceState.RUNNING))

    await refused(place, InstanceExists, replace(SPEC, labels={}))

    assert await place.find(NAME) == before


async def test_a_launch_never_touches_an_instance_that_is_being_deleted(place: Place) -> None:
    await place.play(STUCK_DELETING)
    await place.cloud.launch(SPEC)
    await place.until(NAME, is_(InstanceState.RUNNING))
    await place.cloud.terminate(NAME)

    await refused(place, InstanceExists)

    assert is_(InstanceState.DELETING)(await place.find(NAME))


async def test_a_termination_begins_and_is_seen_until_it_has_ended(place: Place) -> None:
    await place.play({**STUCK_DELETING, "seconds": 5})
    await place.cloud.launch(SPEC)
    await place.until(NAME, is_(InstanceState.RUNNING))

    await place.cloud.terminate(NAME)

    assert is_(InstanceState.DELETING)(await place.find(NAME))
    assert await place.until(NAME, is_gone) is None


async def test_what_is_not_there_is_terminated_already(place: Place) -> None:
    await place.cloud.terminate(NAME)

    assert len(await place.cloud.instances()) == 1


async def test_a_name_is_free_again_after_its_instance_is_gone(place: Place) -> None:
    await place.cloud.launch(SPEC)
    await place.until(NAME, is_(InstanceState.RUNNING))
    await place.cloud.terminate(NAME)
    await place.until(NAME, is_gone)

    again = replace(SPEC, owner=replace(SPEC.owner, uid="another"))
    await place.cloud.launch(again)

    found = await place.until(NAME, is_(InstanceState.RUNNING))
    assert found is not None
    assert found.owner == again.owner


async def test_an_instance_that_is_being_created_cannot_be_terminated_yet(place: Place) -> None:
    await place.play(STUCK)
    await place.cloud.launch(SPEC)

    with pytest.raises(OperationInProgress):
        await place.cloud.terminate(NAME)

    assert is_(InstanceState.PENDING)(await place.find(NAME))


async def test_a_termination_under_way_is_not_begun_again(place: Place) -> None:
    await place.play(STUCK_DELETING)
    await place.cloud.launch(SPEC)
    await place.until(NAME, is_(InstanceState.RUNNING))
    await place.cloud.terminate(NAME)

    with pytest.raises(OperationInProgress):
        await place.cloud.terminate(NAME)


FAILED_OPERATIONS = [
    ("AllocationFailed", CapacityUnavailable),
    ("ZonalAllocationFailed", CapacityUnavailable),
    ("OverconstrainedAllocationRequest", CapacityUnavailable),
    ("OverconstrainedZonalAllocationRequest", CapacityUnavailable),
    ("SkuNotAvailable", SkuUnavailable),
    ("QuotaExceeded", QuotaExceeded),
    ("ReconcileVMSSAgentPoolFailed", CloudUnavailable),
    ("InternalServerError", CloudUnavailable),
    ("VMExtensionProvisioningError", LaunchFailed),
]


async def test_an_instance_that_failed_stays_and_says_why(place: Place) -> None:
    names = {f"ws{number}": code for number, (code, _) in enumerate(FAILED_OPERATIONS)}
    await place.play(
        *(
            {"match": {"pool": name}, "fault": "allocation", "code": code}
            for name, code in names.items()
        )
    )
    for name in names:
        await place.cloud.launch(replace(SPEC, name=name))

    for name in names:
        failed = await place.until(name, is_(InstanceState.FAILED))
        assert failed is not None
        assert failed.failure is not None
        assert (failed.failure.code, type(failed.failure)) in FAILED_OPERATIONS
        assert failed.failure.code == names[name]
        assert failed.owner == SPEC.owner


async def test_an_instance_that_failed_is_in_the_way_until_it_is_terminated(place: Place) -> None:
    await place.play({"fault": "allocation", "times": 1})
    await place.cloud.launch(SPEC)
    await place.until(NAME, is_(InstanceState.FAILED))

    await refused(place, InstanceExists)
    await place.cloud.terminate(NAME)
    await place.until(NAME, is_gone)
    await place.cloud.launch(SPEC)

    assert await place.until(NAME, is_(InstanceState.RUNNING))


REFUSALS = [
    (400, "ErrCode_InsufficientVCPUQuota", "Insufficient vcpu quota", QuotaExceeded),
    (400, "QuotaExceeded", "", QuotaExceeded),
    (409, "OperationNotAllowed", "exceeding approved Total Cores quota", QuotaExceeded),
    (409, "OperationNotAllowed", "Another operation is in progress", OperationInProgress),
    (409, "Conflict", "", OperationInProgress),
    (412, "EtagMismatch", "", InstanceExists),
    (412, "", "", InstanceExists),
    (400, "BadRequest", "X is not allowed in your subscription in location", SkuUnavailable),
    (400, "InvalidParameter", "", BadRequest),
    (400, "SomethingNew", "", BadRequest),
    (403, "AuthorizationFailed", "", CloudDenied),
    (403, "RequestDisallowedByPolicy", "", CloudDenied),
    (404, "ResourceGroupNotFound", "", ClusterMissing),
    (404, "ParentResourceNotFound", "", ClusterMissing),
    (404, "SubscriptionNotFound", "", ClusterMissing),
    (429, "TooManyRequests", "", CloudThrottled),
    (500, "InternalServerError", "", CloudUnavailable),
    (502, "", "", CloudUnavailable),
    (503, "ServiceUnavailable", "", CloudUnavailable),
]


@pytest.mark.parametrize("at_front_door", [True, False], ids=["front-door", "provider"])
async def test_a_refusal_has_its_class_in_either_shape(
    place: Place, *, at_front_door: bool
) -> None:
    for status, code, message, kind in REFUSALS:
        words = {"status": status, "code": code, "message": message, "atFrontDoor": at_front_door}
        await place.play({"match": {"operation": "PUT|DELETE|LIST"}, "fault": "refuse", **words})

        for call in (place.cloud.instances(), place.cloud.terminate(NAME)):
            with pytest.raises(kind):
                await call
        refusal = await refused(place, kind)

        assert refusal.code == (code or f"HTTP{status}")
        assert message in refusal.message


async def test_the_cause_of_a_wrapped_refusal_counts(place: Place) -> None:
    causes = [{"code": "SkuNotAvailable", "message": "The size is not available"}]
    rule = {"fault": "refuse", "code": "InvalidTemplateDeployment", "causes": causes}
    await place.play({"match": {"operation": "PUT"}, **rule})

    refusal = await refused(place, SkuUnavailable)

    assert refusal.message == "The size is not available"


async def test_throttling_says_when_to_come_back(place: Place) -> None:
    await place.play({"fault": "throttle", "retryAfterSeconds": 17})

    for call in (place.cloud.instances(), place.cloud.terminate(NAME), place.cloud.launch(SPEC)):
        with pytest.raises(CloudThrottled) as caught:
            await call
        assert caught.value.retry_after_seconds == 17


async def test_a_rate_is_held_over_all_kinds_of_requests(place: Place) -> None:
    await place.play(limits=[{"perSecond": 0.001, "burst": 2}])
    await place.cloud.launch(SPEC)
    await place.cloud.terminate("nobody")

    for call in (place.cloud.instances(), place.cloud.terminate("nobody")):
        with pytest.raises(CloudThrottled) as caught:
            await call
        assert 900 < caught.value.retry_after_seconds <= 1000


async def test_a_lost_answer_leaves_open_whether_there_is_an_instance(place: Place) -> None:
    rule = {"match": {"operation": "PUT"}, "fault": "drop", "times": 1}
    await place.play(rule)
    await refused(place, CloudUnavailable)
    assert await place.find(NAME) is None

    await place.play({**rule, "takesEffect": True})
    await refused(place, CloudUnavailable)
    assert await place.find(NAME) is not None


@sells
async def test_a_quota_counts_all_instances_of_a_family_and_is_told_in_numbers(
    place: Place,
) -> None:
    await place.play(quotas={FAMILY: 40})
    plain = replace(SPEC, spot=False)
    await place.cloud.launch(plain)

    refusal = await refused(place, QuotaExceeded, replace(plain, name="another"))
    await place.cloud.launch(replace(plain, name="small", vm_size=OTHER_SIZE))

    for number in ("requested 24", "remaining 16", FAMILY):
        assert number in refusal.message
    assert {each.name for each in await place.cloud.instances()} == {NAME, "small", "system"}


@sells
async def test_a_size_that_is_not_sold_here_is_refused(place: Place) -> None:
    await refused(place, SkuUnavailable, replace(SPEC, vm_size="Standard_Nonesuch_v1"))

    assert await place.find(NAME) is None


@sells
async def test_a_size_that_is_not_sold_to_us_is_refused(place: Place) -> None:
    await place.play({"match": {"vmSize": SIZE}, "fault": "sku"})

    await refused(place, SkuUnavailable)


UNACCEPTABLE = (
    replace(SPEC, name="Upper"),
    replace(SPEC, name="a" * 13),
    replace(SPEC, vm_size=""),
    replace(SPEC, disk_gib=0),
    replace(SPEC, disk_gib=2049),
    replace(SPEC, image_family="beos"),
)


async def test_what_can_never_be_accepted_is_a_bad_request(place: Place) -> None:
    for spec in UNACCEPTABLE:
        await refused(place, BadRequest, spec)

    assert len(await place.cloud.instances()) == 1


async def test_a_cluster_that_is_gone_is_not_one_without_instances(place: Place) -> None:
    await place.play({"fault": "cluster-missing"})

    for call in (place.cloud.instances(), place.cloud.terminate(NAME), place.cloud.launch(SPEC)):
        with pytest.raises(ClusterMissing):
            await call


@sells
async def test_a_cluster_has_room_for_so_many_instances_and_no_more(place: Place) -> None:
    for number in range(INSTANCE_LIMIT - 1):
        await place.cloud.launch(replace(SPEC, name=f"ws{number:03d}"))

    refusal = await refused(place, ClusterFull)

    assert str(INSTANCE_LIMIT) in refusal.message
    seen = await place.cloud.instances()
    assert len({each.name for each in seen}) == len(seen) == INSTANCE_LIMIT


async def test_many_instances_keep_apart_what_becomes_of_them(place: Place) -> None:
    await place.play(
        {"match": {"pool": "bad"}, "fault": "allocation"},
        {"match": {"pool": "slow"}, "fault": "stuck-creating"},
    )
    for name in ("bad", "good", "slow"):
        await place.cloud.launch(replace(SPEC, name=name))

    await place.until("good", is_(InstanceState.RUNNING))
    await place.until("bad", is_(InstanceState.FAILED))

    states = {each.name: each.state for each in await place.cloud.instances()}
    assert states["slow"] is InstanceState.PENDING
