"""A cloud that takes one request a second: how far launches come, and how soon their end is seen.

Sixty claims launch, and lists of two pages are asked for, in virtual time and through one line;
requests leave a chance moment after their turn, as in a busy process.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count
from random import Random

import pytest

from hack.cluster.arm.calls import Attempt, Call
from hack.cluster.arm.rate import Limit, Rate
from provisioner.turns import Turns

CLAIMS, PAGES = 60, 2
POOL_SECONDS, LOOK_SECONDS, LATE_SECONDS = 5.0, 0.5, 0.15
LIMITS = (Limit(per_second=1),)
Act = Callable[[], None]


class Busy:
    """Claims, lists and the cloud.

    Attributes:
        begun: when each launch was accepted, by its number.
        seen: when a list was complete that had it running.
        refused: requests that were one too many.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.begun: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.refused = 0
        self._chance = Random(seed)
        self._turns = Turns(lambda: self.now)
        self._rate = Rate()
        self._queue: list[tuple[float, int, Act]] = []
        self._numbers = count()

    def run(self) -> None:
        """Until every launch has been seen to end."""
        for number in range(CLAIMS):
            self._after(self._chance.uniform(0, 0.5), partial(self._claim, number))
        self._after(0, self._list)
        while len(self.seen) < CLAIMS:
            self.now, _, act = heapq.heappop(self._queue)
            act()

    def _after(self, seconds: float, act: Act) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._numbers), act))

    def _in_turn(self, who: str, send: Act) -> None:
        """Have a request leave when its turn has come, or a moment later."""
        left = self._turns.seconds(who, any_line=who == "list")
        if left > 0:
            self._after(left, lambda: self._in_turn(who, send))
        else:
            self._after(self._chance.uniform(0.01, LATE_SECONDS), send)

    def _is_refused(self, call: Call) -> bool:
        wait = self._rate.take(LIMITS, Attempt(call=call, pool=""), now=self.now)
        if wait is not None:
            self._turns.refused(wait)
            self.refused += 1
        return wait is not None

    def _claim(self, number: int) -> None:
        def send() -> None:
            if self._is_refused(Call.PUT):
                self._after(1.0, lambda: self._claim(number))
            else:
                self.begun[number] = self.now

        self._in_turn(f"claim {number}", send)

    def _list(self) -> None:
        began, found = self.now, set[int]()

        def page(number: int) -> None:
            if self._is_refused(Call.LIST):
                self._in_turn("list", lambda: page(number))
                return
            found.update(
                each
                for each, begun in self.begun.items()
                if each % PAGES == number and begun + POOL_SECONDS <= self.now
            )
            if number + 1 < PAGES:
                self._in_turn("list", lambda: page(number + 1))
                return
            self.seen |= dict.fromkeys(found - self.seen.keys(), self.now)
            self._after(max(0.0, began + LOOK_SECONDS - self.now), self._list)

        self._in_turn("list", lambda: page(0))


@pytest.mark.parametrize("seed", range(20))
def test_the_end_of_the_last_pool_is_seen_within_two_lists(seed: int) -> None:
    busy = Busy(seed)
    busy.run()

    last = max(busy.begun.values()) + POOL_SECONDS

    assert max(busy.seen.values()) - last < 2 * PAGES * 1.1


def test_launches_keep_most_of_the_budget_and_few_requests_are_refused() -> None:
    runs = [Busy(seed) for seed in range(20)]
    for each in runs:
        each.run()

    assert sum(max(each.begun.values()) for each in runs) / len(runs) < 2 * CLAIMS
    assert sum(each.refused for each in runs) / len(runs) < CLAIMS / 4


def test_an_end_is_seen_soon_while_others_still_begin() -> None:
    busy = Busy(0)
    busy.run()

    waits = sorted(busy.seen[each] - busy.begun[each] - POOL_SECONDS for each in busy.begun)

    assert waits[len(waits) // 2] < 12
