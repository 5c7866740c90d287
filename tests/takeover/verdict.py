"""What the audit log says of take-overs, and nobody's word besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tests.takeover.audit import Write


@dataclass(frozen=True, slots=True)
class Tenure:
    """One process gains a lease.

    Attributes:
        lease: name of the lease.
        process: which process.
        since: when the API server had the request that made it the holder.
    """

    lease: str
    process: str
    since: datetime


def tenures(writes: Iterable[Write], lease: str) -> list[Tenure]:
    """Who held the lease, one after the other; each identity is its process's name."""
    found: list[Tenure] = []
    holder = ""
    held = [each for each in writes if each.place[0] == "leases" and each.place[2] == lease]
    for each in sorted((one for one in held if one.accepted), key=lambda one: one.order):
        if each.holder and each.holder != holder:
            assert each.holder == each.process
            found.append(Tenure(lease, each.process, each.received))
        holder = each.holder or holder
    return found


def firsts(writes: Iterable[Write], tenure: Tenure) -> dict[str, Write]:
    """The first accepted write of a holder to each object, by the object's uid."""
    found: dict[str, Write] = {}
    for each in writes:
        if each.process == tenure.process and each.accepted and each.received >= tenure.since:
            known = found.get(each.uid)
            if each.uid and (known is None or each.order < known.order):
                found[each.uid] = each
    return found


def violations(writes: Sequence[Write], lease: str) -> list[str]:
    """Accepted changes by a process to what a later holder had written to already.

    Also those by a process that had never held the lease. A create does not count, nor do
    Events.
    """
    held = tenures(writes, lease)
    names = {each.process for each in held}
    later = [(each, firsts(writes, each)) for each in held]
    family = {each.process for each in writes if each.process.startswith(f"{lease}-")}
    found = []
    for each in writes:
        if not (each.changes and each.accepted and each.process in family):
            continue
        if each.process not in names:
            found.append(f"{each.process} never led: {told(each)}")
            continue
        own = [one.since for one in held if one.process == each.process]
        since = max((one for one in own if one <= each.received), default=own[0])
        for tenure, written in later:
            first = written.get(each.uid)
            if tenure.process == each.process or tenure.since <= since or first is None:
                continue
            if first.order < each.order:
                found.append(f"{told(each)} after {told(first)}")
    return found


def told(write: Write) -> str:
    """A write, for people."""
    resource, _, name = write.place
    moment = write.received.time().isoformat("milliseconds")
    return f"{moment} {write.process} {write.verb} {resource}/{name}@{write.version:.0f}"


def late(writes: Sequence[Write], lease: str) -> dict[str, list[Write]]:
    """By the process that lost the lease: changes that came after its successor's first to them.

    Each of these was under way while the lease went over, whatever was answered.
    """
    found: dict[str, list[Write]] = {}
    for old, new in pairwise(tenures(writes, lease)):
        known: dict[tuple[str, str, str], datetime] = {}
        for each in sorted(firsts(writes, new).values(), key=lambda one: one.received):
            known.setdefault(each.place, each.received)
        came = [
            each
            for each in writes
            if each.process == old.process
            and each.changes
            and each.place[0] != "leases"
            and each.place in known
            and each.received > known[each.place]
        ]
        if came:
            found[old.process] = came
    return found


def doubles(writes: Iterable[Write]) -> list[str]:
    """Objects of one resource that were there for one owner at the same time."""
    created: dict[tuple[str, str], dict[str, Write]] = defaultdict(dict)
    ended: dict[str, datetime] = {}
    for each in writes:
        if not each.accepted or not each.uid:
            continue
        if each.verb == "create" and each.owner:
            created[each.place[0], each.owner][each.uid] = each
        elif each.version == float("inf"):
            ended[each.uid] = each.received
    return [
        f"{told(second)} while there was {told(first)}"
        for made in created.values()
        for first in made.values()
        for second in made.values()
        if first.received < second.received
        and (first.uid not in ended or second.received < ended[first.uid])
    ]
