"""Ask, before a machine is bought, whether the region sells it and the quota has room.

It saves a claim the minutes after which AKS says the same. It never stands in the way: where a
list may not be read, or its answer does not come, launches pass until it is asked for again, and
ARM has the last word in any case. A pause says how long it is and why, and launches that pass
unchecked are counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from provisioner import metrics
from provisioner.azure.offers import Offer, Usage, objection, offers, usages
from provisioner.cloud import InstanceSpec
from provisioner.failures import CloudDenied, CloudError, CloudUnavailable, wait_seconds

log = structlog.get_logger()

PREFLIGHT_SKIPPED = "preflight.skipped"

SIZES_SECONDS = 3600.0
"""What a region sells changes rarely, and the list is megabytes."""

USAGE_SECONDS = 20.0
"""Shorter than the back-off of a quota failure, so that each further try sees news."""

DENIED_SECONDS = 600.0
"""An identity that may not read the lists is asked again after so long; a role changes rarely."""

PATIENCE_SECONDS = 10.0

Rows = Callable[[str, Mapping[str, str]], Awaitable[tuple[object, ...]]]
"""All items of the list at a path of ARM, with these parameters."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The two lists, and until when (monotonic) each of them counts."""

    sold: Mapping[str, Offer]
    quotas: Mapping[str, Usage]
    sold_until: float
    quotas_until: float


class Preflight:
    """The check, and what it remembers of the region."""

    def __init__(
        self,
        rows: Rows,
        *,
        subscription_id: str,
        location: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._compute = f"/subscriptions/{subscription_id}/providers/Microsoft.Compute"
        self._location = location
        self._monotonic = monotonic
        self._known = _Known({}, {}, float("-inf"), float("-inf"))
        self._skip_until = float("-inf")
        self._failure: CloudError | None = None
        self._failures = 0
        self._lock = asyncio.Lock()

    async def check(self, spec: InstanceSpec) -> None:
        """Let a launch pass that may succeed.

        Raises:
            SkuUnavailable: the region does not sell the size, or not to this subscription.
            QuotaExceeded: there is no room for one machine more.
        """
        if not self._location:
            return
        async with self._lock:  # a burst of launches asks once
            known = await self._fresh()
        against = objection(spec, known.sold, known.quotas, location=self._location)
        if against:
            raise against

    def capacity(self, vm_size: str) -> Mapping[str, str]:
        """What the region's list says of one machine of that size; nothing before it was read."""
        offer = self._known.sold.get(vm_size.lower())
        return offer.capacity if offer else {}

    async def _fresh(self) -> _Known:
        """The lists, read again where they are old; without what cannot be read."""
        now = self._monotonic()
        if now >= self._skip_until:
            await self._read(now)
        if self._failure is None:
            return self._known
        metrics.PREFLIGHTS_SKIPPED.labels(type(self._failure).__name__).inc()
        known = self._known
        sold = known.sold if now < known.sold_until else {}
        return _Known(sold, {}, known.sold_until, now)

    async def _read(self, now: float) -> None:
        """Read what is old, or note why that cannot be done and for how long."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if now >= self._known.sold_until:
                    await self._read_sizes(now)
                if now >= self._known.quotas_until:
                    await self._read_usages(now)
        except (CloudError, TimeoutError) as error:
            self._pause(error, now)
        else:
            self._failure, self._failures = None, 0

    def _pause(self, error: CloudError | TimeoutError, now: float) -> None:
        """Leave the lists alone for as long as the failure's class says, or the cloud asked."""
        said = f"No answer within {PATIENCE_SECONDS:g} s"
        failure = error if isinstance(error, CloudError) else CloudUnavailable("Timeout", said)
        self._failure, self._failures = failure, self._failures + 1
        seconds = wait_seconds(failure, failures=self._failures)
        if isinstance(failure, CloudDenied):
            seconds = DENIED_SECONDS
        self._skip_until = now + seconds
        reason = type(failure).__name__
        log.warning(PREFLIGHT_SKIPPED, error=str(failure), reason=reason, seconds=seconds)

    async def _read_sizes(self, now: float) -> None:
        where = {"$filter": f"location eq '{self._location}'", "api-version": "2021-07-01"}
        rows = await self._rows(f"{self._compute}/skus", where)
        sold = offers(rows, location=self._location)
        known = self._known
        self._known = _Known(sold, known.quotas, now + SIZES_SECONDS, known.quotas_until)

    async def _read_usages(self, now: float) -> None:
        path = f"{self._compute}/locations/{self._location}/usages"
        found = usages(await self._rows(path, {"api-version": "2024-07-01"}))
        known = self._known
        self._known = _Known(known.sold, found, known.sold_until, now + USAGE_SECONDS)
