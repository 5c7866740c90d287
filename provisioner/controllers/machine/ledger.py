"""What this process remembers of each claim and nobody else can know: when it did what.

It is lost with the process, and that is safe: after a restart every claim is seen for the
first time, so nothing is decided before a list of instances that is newer than the restart.
What must outlive a restart stands in the claim's conditions; `restored` reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from provisioner.controllers.machine.kinds import Aspect, Claim, ClaimKind
from provisioner.failures import (
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    meaning,
    restored,
    wait_seconds,
)

TERMINATE_FIRST_SECONDS, TERMINATE_CAP_SECONDS = 10.0, 300.0
"""Pause after a deletion that was accepted and did not come about, before it is asked for again."""

SETTLE_SECONDS = 5.0
"""A request whose answer was lost may still be carried out; an absence counts this much later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One claim, as this process remembers it. Times are monotonic seconds.

    Attributes:
        look_after: only a list of instances begun later than this is new enough.
        failure: of the last call to the cloud for this claim, or of its last instance.
        failures: how many there were in a row.
        retry_at: no further try before this.
        launch_at: no further launch before this.
        deletion_seen: the deletion has been noticed.
        generation: of the spec that failed; another one is worth another try.
        blocked: what forbade the newest round of evictions; "" when nothing did.
        terminations: how often the cloud has accepted to delete the instance.
        asked: the cloud has accepted to create the instance.
        is_hearsay: this process has neither called the cloud for it nor seen its spec change,
            so what the conditions say of a failure that forbids another try counts when it is
            heard, however late.
    """

    look_after: float
    failure: CloudError | None = None
    failures: int = 0
    retry_at: float = 0.0
    launch_at: float = 0.0
    deletion_seen: bool = False
    generation: int = 0
    blocked: str = ""
    terminations: int = 0
    asked: bool = False
    is_hearsay: bool = True


class Ledger:
    """Entries by claim uid, and the moment until which the cloud wants no requests."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.closed_until = float("-inf")

    def entry(self, kind: ClaimKind, claim: Claim, *, monotonic: float) -> Entry:
        """What is known of a claim; a first sight, or the first of its deletion, is noted."""
        uid = claim.metadata.uid
        known = self._entries.get(uid) or _first(kind, claim, monotonic=monotonic)
        if claim.is_deleting and not known.deletion_seen:
            known = Entry(look_after=max(known.look_after, monotonic), deletion_seen=True)
        if claim.metadata.generation != known.generation and not claim.is_deleting:
            known = replace(
                known, failure=None, failures=0, retry_at=0.0, launch_at=0.0, is_hearsay=False
            )
        if known.is_hearsay and known.failure is None:
            heard = _told(known, kind, claim, monotonic=monotonic)
            known = heard if heard.failure and meaning(heard.failure).permanent else known
        known = replace(known, generation=claim.metadata.generation)
        self._entries[uid] = known
        return known

    def launched(self, uid: str, *, monotonic: float) -> None:
        """The cloud accepted to create the instance, and answered at that time."""
        self.acted(uid, monotonic=monotonic)
        if known := self._entries.get(uid):
            self._entries[uid] = replace(known, asked=True)

    def acted(self, uid: str, *, monotonic: float) -> None:
        """The cloud accepted a request for this claim, and answered at that time."""
        if known := self._entries.get(uid):
            self._entries[uid] = replace(
                known,
                look_after=monotonic,
                failure=None,
                retry_at=0.0,
                asked=False,
                is_hearsay=False,
            )

    def paused(self, uid: str, *, until: float) -> None:
        """It is not this claim's turn before then."""
        if known := self._entries.get(uid):
            self._entries[uid] = replace(known, retry_at=max(known.retry_at, until))

    def terminated(self, uid: str, *, monotonic: float) -> None:
        """The cloud accepted to delete the instance; it is asked again only after a pause."""
        if known := self._entries.get(uid):
            pause = TERMINATE_FIRST_SECONDS * 2**known.terminations
            self._entries[uid] = replace(
                known,
                look_after=monotonic,
                failure=None,
                retry_at=monotonic + min(pause, TERMINATE_CAP_SECONDS),
                terminations=known.terminations + 1,
                is_hearsay=False,
            )

    def failed(
        self,
        uid: str,
        failure: CloudError,
        *,
        monotonic: float,
        because: CloudError | None = None,
    ) -> None:
        """A request for this claim, or its instance, failed.

        Where it was to remove an instance that had failed, `because` says why that had: a lost
        answer may belong to a deletion that came about, and whether, and when, there is another
        try is for the instance's failure to say.
        """
        known = self._entries.get(uid)
        if known is None:
            return
        failures = known.failures + 1
        settle = SETTLE_SECONDS if isinstance(failure, CloudUnavailable) else 0.0
        self._entries[uid] = replace(
            known,
            look_after=monotonic + settle,
            failure=because or failure,
            failures=failures,
            retry_at=monotonic + wait_seconds(failure, failures=failures),
            launch_at=monotonic + wait_seconds(because or failure, failures=failures),
            is_hearsay=False,
        )
        if isinstance(failure, CloudThrottled):
            self.closed_until = max(self.closed_until, monotonic + failure.retry_after_seconds)

    def evicted(self, uid: str, *, blocked: str) -> None:
        """A round of evictions was asked for, and this is what forbade it, if anything."""
        if known := self._entries.get(uid):
            self._entries[uid] = replace(known, blocked=blocked)

    def succeeded(self, uid: str) -> None:
        """The instance runs: earlier failures count no more."""
        known = self._entries.get(uid)
        if known and (known.failure or known.failures):
            self._entries[uid] = replace(known, failure=None, failures=0, retry_at=0.0)

    def forget(self, uid: str) -> None:
        """The claim is no more."""
        self._entries.pop(uid, None)

    def keep(self, uids: frozenset[str]) -> None:
        """Forget every claim that is not among these."""
        for uid in self._entries.keys() - uids:
            del self._entries[uid]


def _first(kind: ClaimKind, claim: Claim, *, monotonic: float) -> Entry:
    """The entry of a claim that this process has not seen before."""
    entry = Entry(look_after=monotonic, generation=claim.metadata.generation)
    return _told(entry, kind, claim, monotonic=monotonic)


def _told(entry: Entry, kind: ClaimKind, claim: Claim, *, monotonic: float) -> Entry:
    """The entry with the failure that the claim tells of, which another process has met.

    A condition keeps its time through failures of one kind, so it does not say when the last one
    was: the whole pause is kept from now on.
    """
    told = kind.condition(claim, Aspect.LAUNCHED)
    failure = restored(told.reason, told.message) if told and told.status != "True" else None
    if failure is None or claim.is_deleting:
        return entry
    retry_at = monotonic + wait_seconds(failure, failures=1)
    return replace(entry, failure=failure, failures=1, retry_at=retry_at)
