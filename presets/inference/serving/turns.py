"""Whose turn it is: groups of requests that cannot share a batch are served one after another."""

from __future__ import annotations

from collections.abc import Iterable


class Turns:
    """Gives each group some batches in a row, and then the one that has waited longest its turn."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._left = 0
        self._current: str | None = None
        self._served: dict[str, int] = {}
        self._turn = 0

    def next(self, present: Iterable[str]) -> str:
        """The group of the next batch.

        Args:
            present: the groups that have work, at least one; the first of those that were never
                served goes first.
        """
        groups = dict.fromkeys(present)
        if self._current in groups and (self._left > 0 or len(groups) == 1):
            self._left -= 1
            return str(self._current)
        waiting = [group for group in groups if group != self._current]
        chosen = min(waiting, key=lambda group: self._served.get(group, 0))
        self._turn += 1
        self._served[chosen] = self._turn
        self._current, self._left = chosen, self._batches - 1
        return chosen
