"""What goes wrong with requests: by chance, at one chosen call, or at one chosen version."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kaito.kube.errors import Conflict, Throttled, Unavailable
from kaito.kube.transport import Call
from provisioner.failures import CloudThrottled, CloudUnavailable, OperationInProgress
from tests.virtual.door import FAIR, PROMPT, Fate, Lateness
from tests.virtual.wire import Json

CALM_SECONDS = 1200.0
MOST_A_SECOND = 0.3
"""Of one watch, when an outage is old."""

Errors = tuple[Callable[[], Exception], ...]

READS: Errors = (
    lambda: Unavailable(0, "NoAnswer", "a fault"),
    lambda: Unavailable(500, "InternalError", "a fault"),
    lambda: Throttled(429, "TooManyRequests", "a fault", retry_after_seconds=1),
)
WRITES: Errors = (*READS, lambda: Conflict(409, "Conflict", "a fault"))
CLOUD: Errors = (
    lambda: CloudUnavailable("Broken", "a fault"),
    lambda: CloudThrottled("Throttled", "a fault", retry_after_seconds=5),
    lambda: OperationInProgress("OperationNotAllowed", "a fault"),
)


def _errors(what: str) -> Errors:
    """What a request may be refused with."""
    if "pool/" in what:
        return CLOUD
    return READS if what.startswith(("GET", "WATCH")) else WRITES


@dataclass(slots=True)
class Storm:
    """Faults by chance until a moment; from then on the weather is fair.

    Attributes:
        chance: where they come from.
        now: the time.
        until: when they stop.
        rate: how likely each request, and each line of a watch, is to meet one.
        kills: whether processes die of it.
    """

    chance: random.Random
    now: Callable[[], float]
    until: float
    rate: float
    kills: bool = True

    def fate(self, what: str) -> Fate:
        """Slow, lost, refused, unanswered, or the last that its sender ever did."""
        if not self._strikes():
            return FAIR
        seconds = self.chance.uniform(0, 20)
        refusal = self.chance.choice(_errors(what))
        fates = (
            lambda: Fate(refusal=refusal()),
            lambda: Fate(refusal=refusal()),
            lambda: Fate(out_seconds=seconds),
            # So late that its sender has given up, and another one may have taken over.
            lambda: Fate(out_seconds=2 * seconds, is_mute=True),
            lambda: Fate(back_seconds=seconds),
            lambda: Fate(is_lost=True),
            lambda: Fate(is_mute=True),
            lambda: Fate(kills=self.kills),
            lambda: Fate(kills=self.kills, out_seconds=seconds),
        )
        return self.chance.choice(fates)()

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Late, cut off, silent for long, or the version is forgotten."""
        if not self._strikes():
            return PROMPT
        seconds = self.chance.uniform(0, 60)
        fates = (
            lambda: Lateness(lag_seconds=seconds),
            lambda: Lateness(silent_seconds=2 * seconds),
            lambda: Lateness(breaks=True),
            lambda: Lateness(expires=_nothing),
        )
        return self.chance.choice(fates)()

    def _strikes(self) -> bool:
        return self.chance.random() < self.rate and self.now() < self.until


@dataclass(slots=True)
class Outage:
    """No API server for a while, and a count of who asks nevertheless.

    Attributes:
        now: the time.
        begin: when it goes.
        end: when it comes back.
        counts: requests in the last `CALM_SECONDS` of it, by method and path.
    """

    now: Callable[[], float]
    begin: float
    end: float
    counts: dict[str, int] = field(default_factory=dict)

    def fate(self, what: str) -> Fate:
        """Refuse it, and count it when the outage is old."""
        now = self.now()
        if not self.begin < now < self.end or "pool/" in what:
            return FAIR
        if now > self.end - CALM_SECONDS:
            self.counts[what] = self.counts.get(what, 0) + 1
        return Fate(refusal=Unavailable(503, "ServiceUnavailable", "a fault"))

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Cut what was open."""
        return Lateness(breaks=True) if self.begin < self.now() < self.end else PROMPT

    def eager(self) -> dict[str, float]:
        """Requests that come too often even then, and how many a second."""
        rates = {what: count / CALM_SECONDS for what, count in self.counts.items()}
        return {what: rate for what, rate in rates.items() if rate > MOST_A_SECOND}


@dataclass(frozen=True, slots=True)
class Made:
    """One request that was made.

    Attributes:
        who: name of the process.
        what: its method and path.
        moment: versions of the API and of the cloud: reads of one process that differ in
            nothing here are one and the same point to be killed at.
    """

    who: str
    what: str
    moment: tuple[object, ...]


@dataclass(slots=True)
class Calls:
    """All requests of all processes, and the one after which its sender is killed.

    Attributes:
        fatal: number of that request, from 0; None kills nobody.
        made: all, in order.
        moment: tells `Made.moment`.
    """

    fatal: int | None = None
    made: list[Made] = field(default_factory=list)
    moment: Callable[[], tuple[object, ...]] = tuple

    def points(self) -> list[int]:
        """Requests after which the world differs from that after the request before.

        The last ones only look at what does not change any more, and are left out.
        """
        reads = ("GET", "WATCH")
        last = max((n for n, e in enumerate(self.made) if not e.what.startswith(reads)), default=0)
        seen: dict[tuple[object, ...], int] = {}
        for number, each in enumerate(self.made[: last + 1]):
            writes = not each.what.startswith(reads)
            seen.setdefault((each.who, each.moment, number if writes else -1), number)
        return sorted(seen.values())


@dataclass(slots=True)
class Sniper:
    """Kills a process right after one of its requests has been carried out."""

    who: str
    calls: Calls

    def fate(self, what: str) -> Fate:
        """Count it, and kill."""
        self.calls.made.append(Made(self.who, what, self.calls.moment()))
        return Fate(kills=True) if len(self.calls.made) - 1 == self.calls.fatal else FAIR

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Let it pass."""
        return PROMPT


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of a watch of one process.

    Attributes:
        path: of the watch.
        version: of the object.
        uid: of the object; "" for a bookmark.
    """

    path: str
    version: int
    uid: str


@dataclass(slots=True)
class Ear:
    """Hears all lines of one process and lets everything pass."""

    heard: list[Heard] = field(default_factory=list)

    def fate(self, what: str) -> Fate:
        """Let it pass."""
        return FAIR

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Note it."""
        version, uid = _about(line)
        self.heard.append(Heard(call.path, version, uid))
        return PROMPT


@dataclass(slots=True)
class Fog:
    """The caches of one process stand still from one version of the API on, for a while.

    Attributes:
        version: lines about later versions wait.
        seconds: how long each watch waits, once.
        expires: makes the server forget all versions, if what came in between is not to be seen.
    """

    version: int
    seconds: float
    expires: Callable[[], object] | None
    waited: set[str] = field(default_factory=set)

    def fate(self, what: str) -> Fate:
        """Let it pass."""
        return FAIR

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Hold back what is newer, once."""
        version, _ = _about(line)
        if version <= self.version or call.path in self.waited:
            return PROMPT
        self.waited.add(call.path)
        return Lateness(lag_seconds=self.seconds, expires=self.expires)


@dataclass(slots=True)
class Gap:
    """One change is never seen: its watch stands still until the object has changed again.

    Attributes:
        path: of the watch.
        version: of the change.
        seconds: how long it stands still at most.
        versions: the present version of each object, by uid; none when it is gone.
        expires: makes the server forget all versions before that.
    """

    path: str
    version: int
    seconds: float
    versions: Mapping[str, int]
    expires: Callable[[], object]
    is_past: bool = False

    def fate(self, what: str) -> Fate:
        """Let it pass."""
        return FAIR

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Hold back that one, and never send it."""
        version, uid = _about(line)
        if self.is_past or call.path != self.path or version != self.version:
            return PROMPT
        self.is_past = True
        return Lateness(
            lag_seconds=self.seconds,
            is_over=lambda: self.versions.get(uid) != version,
            expires=self.expires,
        )


def _nothing() -> None:
    """The server says that it has forgotten, and has not."""


def _about(line: bytes) -> tuple[int, str]:
    """Version and uid of the object in a line."""
    item: Json = json.loads(line)["object"]
    metadata = item.get("metadata") or {}
    return int(metadata.get("resourceVersion") or 0), metadata.get("uid", "")
