"""Whose turn it is to ask the cloud, while that wants to be asked less.

Until the cloud refuses a request as one too many, it is everybody's turn. From then on nobody
asks before the time that the cloud named, and requests leave one after the other, a gap apart:
a hundred claims that all came back at that time would be refused again, all but one.

A turn is a time, held under a name. Whoever has one comes back then, and finds everything else
(who leads, what the claim says) as it is at that moment; no worker waits in between. The line is
short, so that the next list of instances is never behind a hundred launches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

GAP_SECONDS = (1.0, 5.0)
"""Shortest and longest gap; AKS gives one request a second back to a subscription."""

MARGIN = 1.1
"""Waits and gaps are that much longer than they need be: requests do not arrive as they leave."""

LINE = 3
"""So many turns are given out ahead; whoever comes to a longer line gets none yet. Each page of a
list waits behind so many launches: it is how soon the end of a pool is seen while others begin."""

GROWTH = 1.25
"""By how much the gap grows with a refusal that comes in spite of it: mostly a request was late,
and the next one on time."""

CALM_SECONDS = 60.0
"""After so long without a refusal the gap is halved, and at last there is none."""


@dataclass(slots=True)
class Turns:
    """The line, and how fast it moves.

    Attributes:
        monotonic: the time, in seconds.
    """

    monotonic: Callable[[], float]
    _gap: float = 0.0
    _next: float = float("-inf")
    _closed_until: float = float("-inf")
    _calm_since: float = float("-inf")
    _held: dict[str, float] = field(default_factory=dict)

    def seconds(self, who: str, *, any_line: bool = False) -> float:
        """How long until it is this one's turn; 0 when it is, which uses it up.

        Args:
            who: any name; the turn is held under it.
            any_line: it is given a turn however long the line is: of a hundred others that come
                again and again it would hardly ever be the first.
        """
        now = self.monotonic()
        self._relax(now)
        at = self._held.pop(who, None)
        if at is None or at <= now < self._closed_until:
            at = max(now, self._next, self._closed_until)
            if at - now > LINE * self._gap and not any_line:
                return at - now
            self._next = at + self._gap
        if at > now:
            self._held[who] = at
        return max(0.0, at - now)

    async def wait(self, who: str) -> None:
        """Wait for this one's turn however long the line is, and use it up."""
        while True:
            left = self.seconds(who, any_line=True)
            if left <= 0:
                return
            await asyncio.sleep(left)

    def refused(self, retry_after_seconds: float) -> None:
        """The cloud refused a request as one too many, and said when to come back.

        That time says nothing of the pace behind it: the gap grows only when the cloud refuses
        again after it, and not for requests that were under way together.
        """
        now = self.monotonic()
        if now >= self._closed_until:
            least, most = (MARGIN * seconds for seconds in GAP_SECONDS)
            self._gap = min(most, max(least, GROWTH * self._gap))
        self._closed_until = max(self._closed_until, now + MARGIN * retry_after_seconds)
        self._calm_since = now
        self._held = {who: at for who, at in self._held.items() if at > now - CALM_SECONDS}

    def _relax(self, now: float) -> None:
        """Close the gap while the cloud is content."""
        if self._gap and now - self._calm_since >= CALM_SECONDS:
            self._gap = self._gap / 2 if self._gap / 2 >= GAP_SECONDS[0] / 8 else 0.0
            self._calm_since = now
