"""One shared view of all instances, refreshed by one LIST a tick.

A view carries the monotonic time at which its LIST was *begun*: a decision that needs to know
what the cloud looks like after some moment waits for a view that is newer. A LIST that failed,
or that came back without even the system pool that each cluster has, changes nothing: the old
view stays, ages, and the failure is told beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from kaito.kube.backoff import doubled
from kaito.kube.clock import Clock
from kaito.kube.objects import Ref
from provisioner import metrics
from provisioner.cloud import Cloud, Instance, InstanceState, Owner
from provisioner.failures import CloudError, CloudThrottled, CloudUnavailable

log = structlog.get_logger()

LIST_FAILED = "instances.unlisted"
LIST_RECOVERED = "instances.listed"

ERROR_CAP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, in seconds from the start of one LIST to the start of the next.

    Attributes:
        idle_seconds: while nothing of ours is in transition.
        busy_seconds: while something is.
        look_seconds: when somebody waits for a newer view; a floor that keeps a burst of
            claims from becoming a burst of requests.
    """

    idle_seconds: float = 15.0
    busy_seconds: float = 2.0
    look_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Listing:
    """What one complete LIST said.

    Attributes:
        as_of: monotonic time at which the request was begun.
        instances: all of the cluster, by name.
        before: all in the LIST before this one; an absence counts when it is seen twice.
    """

    as_of: float
    instances: Mapping[str, Instance] = field(default_factory=dict)
    before: Mapping[str, Instance] = field(default_factory=dict)

    def is_gone(self, name: str) -> bool:
        """Whether two LISTs in a row did not have it."""
        return name not in self.instances and name not in self.before

    def changed(self) -> tuple[Owner, ...]:
        """Owners of the instances that came, went or changed state since the LIST before."""
        names = sorted(self.instances.keys() | self.before.keys())
        pairs = ((self.before.get(name), self.instances.get(name)) for name in names)
        return tuple(
            owner
            for old, new in pairs
            if _state(old) != _state(new)
            for owner in dict.fromkeys((_owner(old), _owner(new)))
            if owner
        )


class Instances:
    """The view, the loop that refreshes it, and who is told."""

    def __init__(self, cloud: Cloud, *, clock: Clock, pace: Pace) -> None:
        self._cloud = cloud
        self._clock = clock
        self._pace = pace
        self._busy: dict[tuple[str, Ref], bool] = {}
        self._wanted = asyncio.Event()
        self._handlers: list[Callable[[], None]] = []
        self._begun = float("-inf")
        self._failures = 0
        self._failing_since = float("-inf")
        self.listing: Listing | None = None
        self.failure: CloudError | None = None

    def on_refresh(self, handler: Callable[[], None]) -> None:
        """Call `handler` after each LIST, successful or not; it only enqueues."""
        self._handlers.append(handler)

    def watch(self, kind: str, ref: Ref, *, is_steady: bool = False) -> None:
        """Look often while this claim is in transition.

        Args:
            kind: of the claim.
            ref: of the claim.
            is_steady: only a change of its instance concerns it, not each newer view.
        """
        if (kind, ref) not in self._busy:
            self._wanted.set()
        self._busy[kind, ref] = is_steady

    def rest(self, kind: str, ref: Ref) -> None:
        """This claim waits for nothing in the cloud."""
        self._busy.pop((kind, ref), None)

    def watched(self, kind: str) -> tuple[Ref, ...]:
        """The claims of a kind that wait for a newer view, whatever it says."""
        waiting = (key for key, is_steady in self._busy.items() if not is_steady)
        return tuple(sorted(ref for each, ref in waiting if each == kind))

    def failing_seconds(self) -> float:
        """How long no LIST has succeeded, each failure counted; 0 when the last one did."""
        return self._clock.monotonic() - self._failing_since if self.failure else 0.0

    async def refresh(self) -> None:
        """One LIST, and tell everybody."""
        self._wanted.clear()
        self._begun = self._clock.monotonic()
        try:
            found = {each.name: each for each in await self._cloud.instances()}
            if not found:
                said = "The cloud lists no agent pool at all, and a cluster has at least one"
                raise CloudUnavailable("EmptyList", said)
        except CloudError as error:
            self._fail(error)
        else:
            self._replace(found)
        for handler in self._handlers:
            handler()

    async def run(self) -> None:
        """Refresh for ever; ends when cancelled."""
        while True:
            delay = self._begun + self._seconds() - self._clock.monotonic()
            if delay <= 0:
                await self.refresh()
            elif self._wanted.is_set() or self.failure:
                await asyncio.sleep(delay)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wanted.wait()

    def _seconds(self) -> float:
        """From the start of the last LIST to the start of the next."""
        if isinstance(self.failure, CloudThrottled):
            return max(self.failure.retry_after_seconds, self._pace.busy_seconds)
        if self.failure:
            return doubled(
                self._failures - 1,
                first_seconds=self._pace.busy_seconds,
                cap_seconds=ERROR_CAP_SECONDS,
            )
        if self._wanted.is_set():
            return self._pace.look_seconds
        return self._pace.busy_seconds if self._busy else self._pace.idle_seconds

    def _fail(self, error: CloudError) -> None:
        if type(error) is not type(self.failure):
            log.warning(LIST_FAILED, error=str(error), reason=type(error).__name__)
        if self.failure is None:
            self._failing_since = self._begun
        self.failure = error
        self._failures += 1

    def _replace(self, found: Mapping[str, Instance]) -> None:
        if self.failure:
            log.info(LIST_RECOVERED, attempt=self._failures)
        before = self.listing.instances if self.listing else {}
        self.listing = Listing(as_of=self._begun, instances=found, before=before)
        self.failure, self._failures = None, 0
        metrics.LISTED.set(self._clock.now().timestamp())


def _state(instance: Instance | None) -> InstanceState | None:
    return instance.state if instance else None


def _owner(instance: Instance | None) -> Owner | None:
    return instance.owner if instance else None
