"""Who led when, and who wrote what nevertheless: told from the history of the leases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.virtual.watching import Event


@dataclass(slots=True)
class _Term:
    """The lease of one program as it is now, and as it was.

    Attributes:
        holder: who has it; "" for nobody.
        until: when others may take it.
        holders: everybody who ever had it, in order.
    """

    holder: str = ""
    until: float = 0.0
    holders: list[str] = field(default_factory=list)


class Leaders:
    """Notes whoever acts although another one leads.

    A program's name is that of its lease, and the first word of the identity of each of its
    processes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._terms: dict[str, _Term] = {}
        self._newest: dict[tuple[str, str], int] = {}

    def hear(self, event: Event) -> None:
        """Judge one change of the API."""
        if event.kind.plural == "leases":
            self._lease(event)
        elif event.by and event.old is not None and event.kind.plural != "events":
            self._update(event)

    def act(self, who: str, what: str, at: float) -> None:
        """Judge an effect outside the cluster at the moment at which it is asked for."""
        term = self._terms.get(_program(who))
        if term is None or (term.holder == who and at < term.until):
            return
        self._say(f"{who} asked for {what} at {at:.1f} while {term.holder or 'nobody'} led")

    def is_former(self, who: str) -> bool:
        """Whether somebody else leads now: what arrives from it was sent while it led."""
        term = self._terms.get(_program(who))
        return term is not None and who in term.holders[:-1] and who != term.holders[-1]

    @property
    def leading(self) -> frozenset[str]:
        """Everybody who led last."""
        return frozenset(term.holders[-1] for term in self._terms.values() if term.holders)

    def _lease(self, event: Event) -> None:
        term = self._terms.setdefault(event.new["metadata"]["name"], _Term())
        spec = event.new["spec"]
        holder = spec["holderIdentity"]
        if holder not in ("", term.holder):
            if term.holder and event.at < term.until:
                self._say(f"{holder} took the lease of {term.holder} before its time")
            term.holders.append(holder)
        term.holder = holder
        term.until = event.at + spec["leaseDurationSeconds"]

    def _update(self, event: Event) -> None:
        """Nobody writes to an object after somebody who led later has written to it."""
        term = self._terms.get(_program(event.by))
        if term is None:
            return
        metadata = event.new["metadata"]
        if event.by not in term.holders:
            self._say(f"{event.by} wrote to {metadata['name']} and never led")
            return
        # The latest of its terms: one that it never heard of, it may have had before.
        turn = max(n for n, holder in enumerate(term.holders) if holder == event.by)
        key = (_program(event.by), metadata["uid"])
        newest = self._newest.get(key, turn)
        if turn < newest:
            later = term.holders[newest]
            self._say(f"{event.by} wrote to {metadata['name']} after its successor {later}")
        self._newest[key] = max(turn, newest)


def _program(who: str) -> str:
    return who.partition("-")[0]
