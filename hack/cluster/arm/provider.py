"""The resource provider: what AKS does with a request that the front door has let through."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import JsonValue

from hack.cluster import layout
from hack.cluster.arm import addresses, compute, pools, refusals, validation, wire
from hack.cluster.arm.addresses import Address, Kind
from hack.cluster.arm.calls import Attempt, Call
from hack.cluster.arm.exchange import Answer, Request
from hack.cluster.arm.faults import LATE_FAULTS, Fault, Rule, Script
from hack.cluster.arm.journal import Entry
from hack.cluster.arm.pools import Course, Failure, Fleet, Operation, Pool, Properties, Status
from hack.cluster.arm.settings import Settings
from hack.cluster.arm.sizes import Size

SYSTEM_POOL = "system"
SYSTEM_VM_SIZE = "Standard_D4s_v5"
SYSTEM_MODE = "System"
MAX_POOLS = 100
"""Of one cluster; https://learn.microsoft.com/azure/aks/quotas-skus-regions."""


def new_fleet(*, now: float) -> Fleet:
    """The pools of a cluster that was just made: one, for the cluster's own pods."""
    properties = {**wire.DEFAULTS, "mode": SYSTEM_MODE, "vmSize": SYSTEM_VM_SIZE}
    return pools.founded(SYSTEM_POOL, properties, now=now)


class Provider:
    """The pools of the one cluster, and what may be asked of them."""

    def __init__(
        self, settings: Settings, *, fleet: Fleet, script: Script, sizes: Mapping[str, Size]
    ) -> None:
        self.fleet = fleet
        self.root = ""
        """This server's own https://host:port, for the addresses in answers."""
        self._settings = settings
        self._script = script
        self._sizes = sizes

    def vm_size(self, address: Address, request: Request) -> str:
        """The VM size that a request is about; "" when it is about none."""
        if request.method == "PUT":
            return str(wire.requested(request.body).get("vmSize", ""))
        pool = self.fleet.pools.get(address.pool)
        return pool.vm_size if pool else ""

    def put(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Begin to create or change a pool."""
        name = address.pool
        validation.check_name(name)
        given = wire.requested(request.body)
        old = self.fleet.pools.get(name)
        self._check_free(name, request)
        properties = wire.complete(given, old)
        validation.check_properties(properties, sizes=self._sizes, location=layout.LOCATION)
        if old is not None:
            validation.check_change(old.properties, properties)
        elif len(self.fleet.pools) >= MAX_POOLS:
            raise refusals.too_many_pools(MAX_POOLS)
        self._check_quota(name, properties)
        attempt = Attempt(Call.PUT, name, str(properties["vmSize"]))
        course = self._course(attempt, properties, entry)
        self.fleet, operation = pools.put(self.fleet, name, properties, course, now=now)
        entry.operation_id = operation.id
        status = HTTPStatus.OK if old else HTTPStatus.CREATED
        headers = self._polling(operation, request)
        return Answer(status, wire.pool_body(self.fleet.pools[name]), headers)

    def get(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer one pool."""
        return Answer(HTTPStatus.OK, wire.pool_body(self._pool(address.pool)))

    def list(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer one page of pools, in the order of their names."""
        after = request.query.get("$skiptoken", "")
        names = sorted(name for name in self.fleet.pools if name > after)
        page = names[: self._settings.page_size]
        body: dict[str, JsonValue] = {
            "value": [wire.pool_body(self.fleet.pools[name]) for name in page]
        }
        if len(names) > len(page):
            version = request.api_version
            url = addresses.next_page_url(self.root, after=page[-1], api_version=version)
            body["nextLink"] = url
        return Answer(HTTPStatus.OK, body)

    def delete(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Begin to delete a pool; 204 when there is none."""
        pool = self.fleet.pools.get(address.pool)
        if pool is None:
            return Answer(HTTPStatus.NO_CONTENT)
        self._check_free(pool.name, request)
        self._check_not_last(pool)
        attempt = Attempt(Call.DELETE, pool.name, pool.vm_size)
        course = self._course(attempt, pool.properties, entry)
        self.fleet, operation = pools.delete(self.fleet, pool.name, course, now=now)
        entry.operation_id = operation.id
        return Answer(HTTPStatus.ACCEPTED, headers=self._polling(operation, request))

    def abort(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Cancel the operation that a pool is in."""
        pool = self._pool(address.pool)
        running = self.fleet.busy(pool.name)
        if running is None:
            raise refusals.nothing_to_abort(pool.name)
        self.fleet, operation = pools.abort(self.fleet, running, now=now)
        entry.operation_id = operation.id
        return Answer(HTTPStatus.ACCEPTED, headers=self._polling(operation, request))

    def skus(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer which VM sizes are sold here, whatever region the filter names."""
        body = compute.skus_body(self._sizes, restricted=self._script.is_restricted)
        return Answer(HTTPStatus.OK, body)

    def usages(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer how many vCPUs are in use and allowed."""
        quotas = self._script.scenario().quotas
        return Answer(HTTPStatus.OK, compute.usages_body(self.fleet, self._sizes, quotas=quotas))

    def status(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer how an operation is doing: 200, also when it has failed."""
        operation = self._operation(address, entry)
        headers = self._wait() if operation.status is Status.IN_PROGRESS else {}
        return Answer(HTTPStatus.OK, wire.operation_body(operation), headers)

    def result(self, address: Address, request: Request, entry: Entry, now: float) -> Answer:
        """Answer what came of an operation: 202 until it has ended."""
        operation = self._operation(address, entry)
        if operation.status is Status.IN_PROGRESS:
            return Answer(HTTPStatus.ACCEPTED, headers=self._polling(operation, request))
        if operation.failure is not None and operation.status is Status.FAILED:
            failure = operation.failure
            raise refusals.Refusal(HTTPStatus.CONFLICT, failure.code, failure.message)
        return Answer(HTTPStatus.NO_CONTENT)

    def _pool(self, name: str) -> Pool:
        pool = self.fleet.pools.get(name)
        if pool is None:
            raise refusals.pool_not_found(name)
        return pool

    def _operation(self, address: Address, entry: Entry) -> Operation:
        operation = self.fleet.operations.get(address.operation)
        if operation is None:
            raise refusals.operation_not_found(address.operation)
        entry.operation_id, entry.pool = operation.id, operation.pool
        return operation

    def _check_free(self, name: str, request: Request) -> None:
        """The preconditions hold, and the pool is in no operation.

        Which of the two real ARM looks at first is not known.
        """
        validation.check_preconditions(
            name,
            self.fleet.pools.get(name),
            if_match=request.header("if-match"),
            if_none_match=request.header("if-none-match"),
        )
        running = self.fleet.busy(name)
        if running is not None:
            raise refusals.in_progress(running)

    def _check_not_last(self, pool: Pool) -> None:
        others = (other for other in self.fleet.pools.values() if other.name != pool.name)
        if not any(other.properties["mode"] == SYSTEM_MODE for other in others):
            raise refusals.last_system_pool(pool.name)

    def _check_quota(self, name: str, properties: Properties) -> None:
        family = self._sizes[str(properties["vmSize"])].family
        limit = self._script.scenario().quotas.get(family)
        used = self._vcpus(family, without=name)
        if limit is not None and used + self._requested_vcpus(properties) > limit:
            raise self._quota_exceeded(properties, used=used, limit=limit)

    def _vcpus(self, family: str, *, without: str) -> int:
        """How many vCPUs of a family the other pools run, or are about to."""
        others = (pool for pool in self.fleet.pools.values() if pool.name != without)
        sizes = ((self._sizes[pool.vm_size], pool.count) for pool in others)
        return sum(size.vcpus * count for size, count in sizes if size.family == family)

    def _requested_vcpus(self, properties: Properties) -> int:
        return self._sizes[str(properties["vmSize"])].vcpus * int(str(properties["count"]))

    def _quota_exceeded(self, properties: Properties, *, used: int, limit: int) -> refusals.Refusal:
        return refusals.quota_exceeded(
            self._sizes[str(properties["vmSize"])].family,
            requested=self._requested_vcpus(properties),
            used=used,
            limit=limit,
            location=layout.LOCATION,
        )

    def _course(self, attempt: Attempt, properties: Properties, entry: Entry) -> Course:
        """How the operation will go, by the scenario; raises what the scenario refuses."""
        deleting = attempt.call is Call.DELETE
        settings = self._settings
        seconds = settings.delete_seconds if deleting else settings.provision_seconds
        rule = self._script.fires(attempt, LATE_FAULTS)
        if rule is None:
            return Course(seconds=seconds)
        entry.fault = rule.fault
        if rule.fault is Fault.QUOTA:
            family = self._sizes[attempt.vm_size].family
            used = min(rule.limit, self._vcpus(family, without=attempt.pool))
            raise self._quota_exceeded(properties, used=used, limit=rule.limit)
        if rule.fault is Fault.SKU:
            raise refusals.size_not_allowed(attempt.vm_size, location=layout.LOCATION)
        if rule.fault is Fault.ALLOCATION:
            return Course(seconds=seconds, failure=_allocation_failure(rule, attempt.vm_size))
        lasting = None if rule.seconds is None else seconds + rule.seconds
        return Course(seconds=lasting, boot_seconds=rule.boot_seconds)

    def _polling(self, operation: Operation, request: Request) -> dict[str, str]:
        """Headers that tell where to ask for the operation, and how often."""
        urls = {
            kind: addresses.operation_url(
                self.root, kind, operation.id, api_version=request.api_version
            )
            for kind in (Kind.OPERATION, Kind.RESULT)
        }
        headers = {"Azure-AsyncOperation": urls[Kind.OPERATION], **self._wait()}
        if operation.verb in {pools.Verb.DELETE, pools.Verb.ABORT}:
            headers["Location"] = urls[Kind.RESULT]
        return headers

    def _wait(self) -> dict[str, str]:
        seconds = self._settings.poll_seconds
        return {"Retry-After": str(seconds)} if seconds else {}


def _allocation_failure(rule: Rule, vm_size: str) -> Failure:
    message = f"Allocation of {vm_size} failed: {layout.LOCATION} has no capacity for it now."
    return Failure(code=rule.code, message=rule.message or message)
