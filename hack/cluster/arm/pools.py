"""Agent pools and their operations as a state machine: values in, values out, time an argument.

A `Fleet` is everything the resource provider knows. Nothing in it happens by itself: `advanced`
brings it up to a time, and ends whatever operation is due by then.

    absent  --create-->         Creating             --> Succeeded, or Failed: it stays, without VMs
    there   --update, scale-->  Updating or Scaling  --> Succeeded, or Failed
    there   --delete-->         Deleting             --> absent, or Failed
    in progress  --abort-->     Canceled

VMs exist from the first Succeeded, or from when the course of the operation says so before it
has ended, until the deletion has ended. Each gets a number that is never used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, ConfigDict, JsonValue

KEPT_OPERATIONS = 500
"""Older ones that have ended are forgotten; asking for them is answered 404."""

Properties = Mapping[str, JsonValue]
"""Properties of a pool under their REST names, without the read-only ones."""


class Verb(StrEnum):
    """What an operation does to its pool."""

    CREATE = "create"
    UPDATE = "update"
    SCALE = "scale"
    DELETE = "delete"
    ABORT = "abort"


class State(StrEnum):
    """`provisioningState` of a pool."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SCALING = "Scaling"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


class Status(StrEnum):
    """Of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


STATE_DURING = {
    Verb.CREATE: State.CREATING,
    Verb.UPDATE: State.UPDATING,
    Verb.SCALE: State.SCALING,
    Verb.DELETE: State.DELETING,
}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Value):
    """Why an operation ends badly, as its status tells."""

    code: str
    message: str


class Course(_Value):
    """How an operation will go."""

    seconds: float | None
    """How long it takes; None for one that never ends."""
    failure: Failure | None = None
    boot_seconds: float | None = None
    """How long until the VMs run; None for when it has ended."""


class Operation(_Value):
    """One long-running operation. Times are seconds since 1970."""

    id: str
    verb: Verb
    pool: str
    started_at: float
    ends_at: float | None
    """When it is due; None for one that never ends."""
    boots_at: float | None = None
    """When the VMs run before it has ended; None once they do, or where it ends first."""
    failure: Failure | None = None
    """What it will end with, told only once it has."""
    status: Status = Status.IN_PROGRESS
    ended_at: float | None = None


class Pool(_Value):
    """One agent pool."""

    name: str
    properties: dict[str, JsonValue]
    state: State
    operation: str
    """Its latest operation; "" for the pool that was there from the start."""
    version: int
    """Grows with each change of the pool; the ETag is made of it."""
    created_at: float
    vms: tuple[int, ...] = ()
    """Numbers of the VMs that exist."""
    failure: Failure | None = None
    """Why it is Failed; None in every other state."""

    @property
    def etag(self) -> str:
        """Changes with each change of the pool, and is never that of an earlier pool."""
        return str(uuid5(NAMESPACE_URL, f"{self.name}/{self.created_at}/{self.version}"))

    @property
    def count(self) -> int:
        """How many VMs were asked for."""
        return int(str(self.properties.get("count", 1)))

    @property
    def vm_size(self) -> str:
        """Name of the VM size."""
        return str(self.properties.get("vmSize", ""))


class Fleet(_Value):
    """All pools of the one cluster, and their operations."""

    pools: dict[str, Pool] = {}
    operations: dict[str, Operation] = {}
    """By id, oldest first."""
    next_vm: int = 1
    next_operation: int = 1
    revision: int = 0
    """Grows whenever a pool changes."""

    def busy(self, name: str) -> Operation | None:
        """The operation that this pool is in, if any."""
        pool = self.pools.get(name)
        operation = self.operations.get(pool.operation) if pool else None
        return operation if operation and operation.status is Status.IN_PROGRESS else None

    def next_end(self) -> float | None:
        """When the next operation or boot is due; None while nothing is to change by itself."""
        running = (o for o in self.operations.values() if o.status is Status.IN_PROGRESS)
        dues = (due for o in running for due in (o.boots_at, o.ends_at) if due is not None)
        return min(dues, default=None)


def founded(name: str, properties: Properties, *, now: float) -> Fleet:
    """A fleet with one pool that has always been there."""
    pool = Pool(
        name=name,
        properties=dict(properties),
        state=State.SUCCEEDED,
        operation="",
        version=1,
        created_at=now,
    )
    return _changed(Fleet(), _booted(pool, next_vm=1), next_vm=1 + pool.count)


def put(
    fleet: Fleet, name: str, properties: Properties, course: Course, *, now: float
) -> tuple[Fleet, Operation]:
    """Begin to create the pool, or to change it if there is one, to these complete properties."""
    old = fleet.pools.get(name)
    operation = _operation(fleet, _put_verb(old, properties), name, course, now=now)
    pool = Pool(
        name=name,
        properties=dict(properties),
        state=STATE_DURING[operation.verb],
        operation=operation.id,
        version=old.version + 1 if old else 1,
        created_at=old.created_at if old else now,
        vms=old.vms if old else (),
    )
    return _changed(_begun(fleet, operation), pool), operation


def delete(fleet: Fleet, name: str, course: Course, *, now: float) -> tuple[Fleet, Operation]:
    """Begin to delete a pool that exists."""
    operation = _operation(fleet, Verb.DELETE, name, course, now=now)
    pool = _moved(fleet.pools[name], State.DELETING, operation=operation.id)
    return _changed(_begun(fleet, operation), pool), operation


def abort(fleet: Fleet, running: Operation, *, now: float) -> tuple[Fleet, Operation]:
    """Cancel an operation that is in progress; the abort itself has ended when this returns."""
    canceled = _ended(running, Status.CANCELED, now)
    abortion = _operation(fleet, Verb.ABORT, running.pool, Course(seconds=0), now=now)
    abortion = _ended(abortion, Status.SUCCEEDED, now)
    fleet = _begun(_noted(fleet, canceled), abortion)
    return _changed(fleet, _moved(fleet.pools[running.pool], State.CANCELED)), abortion


def advanced(fleet: Fleet, *, now: float) -> Fleet:
    """The fleet at that time, with each boot done and each operation ended that was due."""
    for operation in list(fleet.operations.values()):
        if operation.status is Status.IN_PROGRESS and operation.boots_at is not None:
            fleet = _begun_to_run(fleet, operation) if operation.boots_at <= now else fleet
    due = [
        operation
        for operation in fleet.operations.values()
        if operation.status is Status.IN_PROGRESS
        and operation.ends_at is not None
        and operation.ends_at <= now
    ]
    for operation in sorted(due, key=lambda o: (o.ends_at or 0, o.id)):
        fleet = _completed(fleet, operation)
    return fleet


def _completed(fleet: Fleet, operation: Operation) -> Fleet:
    status = Status.FAILED if operation.failure else Status.SUCCEEDED
    fleet = _noted(fleet, _ended(operation, status, operation.ends_at or 0))
    pool = fleet.pools[operation.pool]
    if status is Status.FAILED:
        return _changed(fleet, _moved(pool, State.FAILED, failure=operation.failure))
    if operation.verb is Verb.DELETE:
        pools = {name: other for name, other in fleet.pools.items() if name != pool.name}
        return fleet.model_copy(update={"pools": pools, "revision": fleet.revision + 1})
    return _running(fleet, _moved(pool, State.SUCCEEDED))


def _begun_to_run(fleet: Fleet, operation: Operation) -> Fleet:
    """The VMs run, and the operation goes on."""
    fleet = _noted(fleet, operation.model_copy(update={"boots_at": None}))
    return _running(fleet, fleet.pools[operation.pool])


def _running(fleet: Fleet, pool: Pool) -> Fleet:
    """The fleet with that pool, and with all its VMs."""
    booted = _booted(pool, next_vm=fleet.next_vm)
    fresh = len(set(booted.vms) - set(pool.vms))
    return _changed(fleet, booted, next_vm=fleet.next_vm + fresh)


def _booted(pool: Pool, *, next_vm: int) -> Pool:
    """The pool with as many VMs as it asks for: the first ones are kept, the rest are new."""
    kept = pool.vms[: pool.count]
    fresh = range(next_vm, next_vm + pool.count - len(kept))
    return pool.model_copy(update={"vms": (*kept, *fresh)})


def _put_verb(old: Pool | None, properties: Properties) -> Verb:
    if old is None:
        return Verb.CREATE
    return Verb.SCALE if old.properties.get("count") != properties.get("count") else Verb.UPDATE


def _operation(fleet: Fleet, verb: Verb, name: str, course: Course, *, now: float) -> Operation:
    return Operation(
        id=str(uuid5(NAMESPACE_URL, f"{name}/{verb}/{now}/{fleet.next_operation}")),
        verb=verb,
        pool=name,
        started_at=now,
        ends_at=None if course.seconds is None else now + course.seconds,
        boots_at=None if course.boot_seconds is None else now + course.boot_seconds,
        failure=course.failure,
    )


def _ended(operation: Operation, status: Status, at: float) -> Operation:
    return operation.model_copy(update={"status": status, "ended_at": at})


def _moved(
    pool: Pool, state: State, *, operation: str = "", failure: Failure | None = None
) -> Pool:
    return pool.model_copy(
        update={
            "state": state,
            "operation": operation or pool.operation,
            "failure": failure,
            "version": pool.version + 1,
        }
    )


def _changed(fleet: Fleet, pool: Pool, *, next_vm: int | None = None) -> Fleet:
    return fleet.model_copy(
        update={
            "pools": {**fleet.pools, pool.name: pool},
            "next_vm": next_vm or fleet.next_vm,
            "revision": fleet.revision + 1,
        }
    )


def _begun(fleet: Fleet, operation: Operation) -> Fleet:
    fleet = _noted(fleet, operation)
    return fleet.model_copy(update={"next_operation": fleet.next_operation + 1})


def _noted(fleet: Fleet, operation: Operation) -> Fleet:
    """With this operation in place of its earlier self, and without the oldest that ended."""
    operations = {**fleet.operations, operation.id: operation}
    ended = [key for key, other in operations.items() if other.status is not Status.IN_PROGRESS]
    for key in ended[: max(0, len(operations) - KEPT_OPERATIONS)]:
        del operations[key]
    return fleet.model_copy(update={"operations": operations})
