"""The state machine of pools, at times that the test chooses."""

from __future__ import annotations

from pydantic import JsonValue

from hack.cluster.arm.pools import (
    KEPT_OPERATIONS,
    Course,
    Failure,
    Fleet,
    State,
    Status,
    Verb,
    abort,
    advanced,
    delete,
    founded,
    put,
)

ONE: dict[str, JsonValue] = {"count": 1, "vmSize": "Standard_NC6s_v3"}
THREE: dict[str, JsonValue] = {**ONE, "count": 3}
NO_CAPACITY = Failure(code="AllocationFailed", message="none left")


def settled(fleet: Fleet, name: str, properties: dict[str, JsonValue], *, now: float) -> Fleet:
    """The fleet after a put that took no time."""
    fleet, _ = put(fleet, name, properties, Course(seconds=0), now=now)
    return advanced(fleet, now=now)


def test_the_pool_of_a_new_cluster_has_its_vms() -> None:
    fleet = founded("system", ONE, now=0)

    assert fleet.pools["system"].state == "Succeeded"
    assert fleet.pools["system"].vms == (1,)


def test_a_pool_has_no_vm_before_it_has_succeeded() -> None:
    fleet, operation = put(Fleet(), "ws", ONE, Course(seconds=3), now=100)

    early, late = advanced(fleet, now=102.9), advanced(fleet, now=103)

    assert operation.verb is Verb.CREATE
    assert (early.pools["ws"].state, early.pools["ws"].vms) == (State.CREATING, ())
    assert (late.pools["ws"].state, late.pools["ws"].vms) == (State.SUCCEEDED, (1,))
    assert late.operations[operation.id].ended_at == 103


def test_a_failed_creation_leaves_a_failed_pool_without_vms() -> None:
    course = Course(seconds=1, failure=NO_CAPACITY)
    fleet, operation = put(Fleet(), "ws", ONE, course, now=0)

    fleet = advanced(fleet, now=1)

    assert fleet.pools["ws"].state == "Failed"
    assert fleet.pools["ws"].vms == ()
    assert fleet.pools["ws"].failure == NO_CAPACITY
    assert fleet.operations[operation.id].status is Status.FAILED


def test_a_failed_pool_can_be_put_again_and_then_boots() -> None:
    fleet, _ = put(Fleet(), "ws", ONE, Course(seconds=1, failure=NO_CAPACITY), now=0)
    fleet = advanced(fleet, now=1)

    fleet, operation = put(fleet, "ws", ONE, Course(seconds=1), now=2)
    fleet = advanced(fleet, now=3)

    assert operation.verb is Verb.UPDATE
    assert (fleet.pools["ws"].state, fleet.pools["ws"].vms) == (State.SUCCEEDED, (1,))
    assert fleet.pools["ws"].failure is None


def test_a_failed_update_keeps_the_vms() -> None:
    fleet = settled(Fleet(), "ws", ONE, now=0)

    fleet, _ = put(fleet, "ws", ONE, Course(seconds=1, failure=NO_CAPACITY), now=1)

    assert advanced(fleet, now=2).pools["ws"].vms == (1,)


def test_scaling_keeps_the_first_vms_and_never_reuses_a_number() -> None:
    fleet = settled(Fleet(), "ws", THREE, now=0)

    fleet = settled(fleet, "ws", ONE, now=1)
    fleet = settled(fleet, "other", ONE, now=2)
    fleet, operation = put(fleet, "ws", THREE, Course(seconds=1), now=3)
    assert fleet.pools["ws"].state == "Scaling"
    fleet = advanced(fleet, now=4)

    assert operation.verb is Verb.SCALE
    assert fleet.pools["other"].vms == (4,)
    assert fleet.pools["ws"].vms == (1, 5, 6)


def test_vms_are_there_until_the_deletion_has_ended() -> None:
    fleet = settled(Fleet(), "ws", ONE, now=0)

    fleet, operation = delete(fleet, "ws", Course(seconds=2), now=10)
    during, after = advanced(fleet, now=11), advanced(fleet, now=12)

    assert (during.pools["ws"].state, during.pools["ws"].vms) == (State.DELETING, (1,))
    assert after.pools == {}
    assert after.operations[operation.id].status is Status.SUCCEEDED


def test_a_stuck_operation_is_still_in_progress_after_a_year() -> None:
    fleet, operation = put(Fleet(), "ws", ONE, Course(seconds=None), now=0)

    fleet = advanced(fleet, now=365 * 86400)

    assert fleet.busy("ws") == operation
    assert fleet.next_end() is None


def test_an_aborted_creation_is_canceled_and_no_longer_busy() -> None:
    fleet, operation = put(Fleet(), "ws", ONE, Course(seconds=5), now=0)

    fleet, _ = abort(fleet, operation, now=1)
    fleet = advanced(fleet, now=6)

    assert fleet.busy("ws") is None
    assert fleet.pools["ws"].state == "Canceled"
    assert fleet.operations[operation.id].status is Status.CANCELED


def test_the_etag_changes_with_every_change_and_every_life_of_a_pool() -> None:
    etags = []
    fleet = Fleet()
    for now in (0, 10):
        fleet, _ = put(fleet, "ws", ONE, Course(seconds=1), now=now)
        etags.append(fleet.pools["ws"].etag)
        fleet = advanced(fleet, now=now + 1)
        etags.append(fleet.pools["ws"].etag)
        fleet, _ = delete(fleet, "ws", Course(seconds=1), now=now + 2)
        etags.append(fleet.pools["ws"].etag)
        fleet = advanced(fleet, now=now + 3)

    assert len(set(etags)) == 6


def test_each_change_of_a_pool_is_a_new_revision() -> None:
    revisions = [0]
    fleet, _ = put(Fleet(), "ws", ONE, Course(seconds=1), now=0)
    revisions.append(fleet.revision)
    fleet = advanced(fleet, now=1)
    revisions.append(fleet.revision)
    assert advanced(fleet, now=2) == fleet
    fleet, _ = delete(fleet, "ws", Course(seconds=1), now=3)
    revisions.append(fleet.revision)
    fleet = advanced(fleet, now=4)
    revisions.append(fleet.revision)

    assert revisions == sorted(set(revisions))


def test_the_next_end_is_the_earliest() -> None:
    fleet, _ = put(Fleet(), "ws1", ONE, Course(seconds=5), now=0)
    fleet, _ = put(fleet, "ws2", ONE, Course(seconds=2), now=1)

    assert fleet.next_end() == 3


def test_old_operations_are_forgotten_but_none_in_progress() -> None:
    fleet, running = put(Fleet(), "stuck", ONE, Course(seconds=None), now=0)
    for now in range(KEPT_OPERATIONS + 5):
        fleet = settled(fleet, "ws", ONE, now=now)

    assert len(fleet.operations) == KEPT_OPERATIONS
    assert running.id in fleet.operations


def test_a_fleet_survives_json() -> None:
    fleet = settled(Fleet(), "ws", {**THREE, "nodeLabels": {"a": "b"}}, now=0)
    fleet, _ = put(fleet, "ws2", ONE, Course(seconds=1, failure=NO_CAPACITY), now=0.1234567)

    assert Fleet.model_validate_json(fleet.model_dump_json()) == fleet


def test_machines_may_run_before_their_operation_has_ended() -> None:
    course = Course(seconds=9, boot_seconds=2)
    fleet, operation = put(Fleet(), "ws", ONE, course, now=100)
    assert fleet.next_end() == 102

    early, during = advanced(fleet, now=101.9), advanced(fleet, now=102)
    late = advanced(during, now=109)

    assert early.pools["ws"].vms == ()
    assert (during.pools["ws"].state, during.pools["ws"].vms) == (State.CREATING, (1,))
    assert during.operations[operation.id].status is Status.IN_PROGRESS
    assert during.revision > fleet.revision
    assert during.next_end() == 109
    assert (late.pools["ws"].state, late.pools["ws"].vms) == (State.SUCCEEDED, (1,))
    assert late.next_vm == 2
