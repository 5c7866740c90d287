"""Leadership by a Lease: at most one process acts.

A lease is no fence: an API server cannot stop a process that believes it leads. So a
renewal counts from the moment *before it was sent*, on a clock that does not stand still
in suspend; the leader stops acting `renew_seconds` after that, well before anyone else
may start, `hold_seconds` after the server took it in. `guard` says so to each effect
outside the cluster, and a thread ends the process when the event loop is too stuck to
stop by itself.

The local clock is never compared with times that others wrote: an other's lease has
expired when it has not *changed*, as we saw it, for as long as it says it is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import ceil

import structlog

from kaito.kube import metrics
from kaito.kube.client import Client
from kaito.kube.clock import Clock
from kaito.kube.errors import AlreadyExists, Conflict, KubeError, OperatorError
from kaito.kube.kinds import LEASES, Lease, LeaseSpec
from kaito.kube.objects import Manifest, Ref
from kaito.kube.settings import ProcessSettings
from kaito.kube.watchdog import Watchdog

_RETRY_JITTER = 1.2
_RELEASED_SECONDS = 1

log = structlog.get_logger()


class NotLeading(OperatorError):
    """This process does not hold the lease, or cannot be sure that it does."""


class Elector:
    """Gains, holds and gives back one lease.

    Attributes:
        identity: our name in the lease; unique to this process.
        clock: where time comes from.
        watchdog: ends the process when it can no longer stop by itself; None for tests.
    """

    @classmethod
    def of(cls, client: Client, settings: ProcessSettings, *, name: str) -> Elector | None:
        """Make the elector that a process's settings ask for; None when it takes no turns.

        Args:
            client: of the process.
            settings: its namespace, identity and the three times.
            name: of the Lease.
        """
        if not settings.leader_elect:
            return None
        return cls(
            client,
            Ref(settings.namespace, name),
            settings.identity,
            hold_seconds=settings.lease_seconds,
            renew_seconds=settings.renew_seconds,
            retry_seconds=settings.retry_seconds,
        )

    def __init__(
        self,
        client: Client,
        ref: Ref,
        identity: str,
        *,
        hold_seconds: float = 15,
        renew_seconds: float = 10,
        retry_seconds: float = 2,
    ) -> None:
        """Make an elector; nothing is asked before `acquire`.

        Args:
            client: its lease requests have connections of their own.
            ref: the Lease; made if it is not there.
            identity: our name in it.
            hold_seconds: how long others wait after our last renewal.
            renew_seconds: how long we act after our last renewal.
            retry_seconds: from one renewal, or one attempt, to the next.

        Raises:
            ValueError: the three are not apart enough to be safe.
        """
        if not hold_seconds > renew_seconds > _RETRY_JITTER * retry_seconds > 0:
            raise ValueError("hold_seconds > renew_seconds > 1.2 x retry_seconds > 0 must hold")
        self.identity = identity
        self.clock: Clock = client.clock
        self.watchdog: Watchdog | None = Watchdog(margin_seconds=(hold_seconds - renew_seconds) / 2)
        self._client = client
        self._ref = ref
        self._hold_seconds = hold_seconds
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._valid_until = float("-inf")
        self._holds = False
        self._record: Lease | None = None
        self._changed_at = 0.0
        self._gauge = metrics.LEADER.labels(ref.name)
        self._gauge.set(0)
        self._slowpath = metrics.LEADER_SLOWPATH.labels(ref.name)

    @property
    def is_leader(self) -> bool:
        """Whether this process may act now."""
        return self.clock.monotonic() < self._valid_until

    @property
    def is_overstayed(self) -> bool:
        """Whether this process led, may no longer, and has not stopped to in good time."""
        late = self.clock.monotonic() - self._valid_until
        return self._holds and late > (self._hold_seconds - self._renew_seconds) / 2

    @property
    def state(self) -> str:
        """Who has the lease, as far as this process knows, in a few words."""
        holder = self._record.spec.holder_identity if self._record else ""
        if self.is_leader:
            return "held"
        return f"held by {holder}" if holder and holder != self.identity else "not held"

    def guard(self) -> None:
        """Return only if this process may act now; asked before each effect outside.

        Raises:
            NotLeading: it may not.
        """
        if not self.is_leader:
            raise NotLeading(f"{self.identity} does not hold {self._ref}")

    async def run(self) -> None:
        """Gain the lease and hold it; never returns.

        Raises:
            NotLeading: it was held, and is lost.
        """
        await self.acquire()
        await self.hold()

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while not await self._try(self._contend):
            longest = (1 + _RETRY_JITTER) * self._retry_seconds
            await asyncio.sleep(self.clock.between(self._retry_seconds, longest))
        log.info("lease.acquired", lease=str(self._ref), identity=self.identity)
        self._gauge.set(1)
        self._holds = True
        if self.watchdog:
            self.watchdog.start(self.clock)

    async def hold(self) -> None:
        """Renew until that fails for too long; never returns.

        Raises:
            NotLeading: the lease is lost; all work must end at once.
        """
        try:
            while self.is_leader:
                await asyncio.sleep(self._retry_seconds)
                await self._try(self._renew)
        finally:
            self._gauge.set(0)
            self._holds = False
        log.error("lease.lost", lease=str(self._ref), identity=self.identity)
        self._valid_until = float("-inf")
        raise NotLeading(f"{self._ref} could not be renewed")

    async def release(self) -> None:
        """Let others lead at once; only when all guarded work has ended."""
        led, self._valid_until, self._holds = self.is_leader, float("-inf"), False
        if self.watchdog:
            self.watchdog.stop()
        if led and await self._try(self._give_back):
            log.info("lease.released", lease=str(self._ref), identity=self.identity)

    async def _try(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Whether one step against the API server succeeded in time."""
        patience = self._renew_seconds / 2
        if self.is_leader:
            patience = min(patience, self._valid_until - self.clock.monotonic())
        try:
            async with asyncio.timeout(patience):
                return await step()
        except (KubeError, TimeoutError) as error:
            log.warning("lease.unanswered", lease=str(self._ref), error=str(error))
            return False

    async def _contend(self) -> bool:
        """Take the lease if it is free; True when it is ours."""
        record = await self._look()
        if record is None:
            return await self._write(None, transitions=0)
        if record.spec.holder_identity == self.identity:
            return await self._write(record)
        expires = self._changed_at + record.spec.lease_duration_seconds
        if record.spec.holder_identity and self.clock.monotonic() < expires:
            return False
        return await self._write(record, transitions=record.spec.lease_transitions + 1)

    async def _renew(self) -> bool:
        """Extend our lease: over the version that we wrote, else over what is there now."""
        if self._record and await self._write(self._record):
            return True
        self._slowpath.inc()
        record = await self._look()
        if record is None or record.spec.holder_identity != self.identity:
            # Someone else decided that we are gone: there is nothing left to wait for.
            self._valid_until = float("-inf")
            return False
        return await self._write(record)

    async def _give_back(self) -> bool:
        for _ in range(2):
            if self._record is None or self._record.spec.holder_identity != self.identity:
                return False
            now = _micro(self.clock.now())
            spec: dict[str, object] = {
                "holderIdentity": "",
                "leaseDurationSeconds": _RELEASED_SECONDS,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": self._record.spec.lease_transitions,
            }
            try:
                self._record = await self._client.replace(LEASES, _over(self._record, spec))
            except Conflict:
                self._record = await self._client.get(LEASES, self._ref)
            else:
                return True
        return False

    async def _look(self) -> Lease | None:
        """The lease as it is now; notes when it last changed under our eyes."""
        record = await self._client.get(LEASES, self._ref)
        if record is not None and (self._record is None or record.spec != self._record.spec):
            self._changed_at = self.clock.monotonic()
        self._record = record
        return record

    async def _write(self, record: Lease | None, *, transitions: int | None = None) -> bool:
        """Make the lease ours, unless somebody was quicker.

        Args:
            record: what we write over; None makes a new lease.
            transitions: a new count of holders, for a lease that was not ours before.
        """
        before = record.spec if record else LeaseSpec()
        sent_at, now = self.clock.monotonic(), self.clock.now()
        acquired = now if transitions is not None else before.acquire_time or now
        spec: dict[str, object] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, ceil(self._hold_seconds)),
            "acquireTime": _micro(acquired),
            "renewTime": _micro(now),
            "leaseTransitions": before.lease_transitions if transitions is None else transitions,
        }
        try:
            if record is None:
                metadata = {"name": self._ref.name, "namespace": self._ref.namespace}
                made: Manifest = {"metadata": metadata, "spec": spec}
                self._record = await self._client.create(LEASES, made)
            else:
                self._record = await self._client.replace(LEASES, _over(record, spec))
        except (AlreadyExists, Conflict):
            return False
        self._changed_at = sent_at
        self._valid_until = sent_at + self._renew_seconds
        if self.watchdog:
            self.watchdog.extend(self._valid_until)
        return True


def _over(record: Lease, spec: Manifest) -> Manifest:
    """The whole lease with a new spec, valid only over the version that `record` is."""
    known = record.metadata.model_dump(
        mode="json",
        by_alias=True,
        include={"name", "namespace", "uid", "resource_version", "labels", "annotations"},
    )
    return {"metadata": known, "spec": spec}


def _micro(moment: datetime) -> str:
    """A metav1.MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
