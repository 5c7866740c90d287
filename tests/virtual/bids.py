"""How soon a process may ask again for a pool that it was refused, as the settings page has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from provisioner.failures import CloudThrottled
from tests.virtual.cloud import Bid

FIRST_SECONDS: Mapping[str, float] = {
    "CapacityUnavailable": 60,
    "QuotaExceeded": 60,
    "ClusterFull": 60,
    "CloudDenied": 60,
    "ClusterMissing": 60,
    "OperationInProgress": 10,
    "InstanceExists": 2,
    "CloudUnavailable": 2,
}
"""Least time from a refusal of each class to the next request."""
LAST_WORDS = frozenset({"SkuUnavailable", "BadRequest"})
"""After these nothing is asked for again."""


class Bids:
    """Notes whoever asks too soon."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._refused: dict[tuple[str, str], Bid] = {}

    def hear(self, bid: Bid) -> None:
        """A request is sent, or comes to nothing."""
        key = (bid.who, bid.owner)
        if bid.failure:
            self._refused[key] = bid
        elif key in self._refused:
            self._again(self._refused[key], bid)

    def _again(self, before: Bid, bid: Bid) -> None:
        name, passed = type(before.failure).__name__, bid.at - before.at
        if name in LAST_WORDS:
            self._say(f"{bid.who} asks again for {bid.owner} after {name}")
        least = FIRST_SECONDS.get(name, 0.0)
        if isinstance(before.failure, CloudThrottled):
            least = before.failure.retry_after_seconds
        if passed < least:
            self._say(f"{bid.who} asks again for {bid.owner} {passed:.1f} s after {name}")
