"""Names in which upper and lower case do not count, as the hub's do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

V = TypeVar("V")


class Names(Mapping[str, V]):
    """An immutable mapping that finds a name in any spelling of case, and lists them as written."""

    def __init__(self, entries: Mapping[str, V]) -> None:
        self._written = dict(entries)
        self._folded = {name.casefold(): value for name, value in entries.items()}

    def __getitem__(self, name: str) -> V:
        return self._folded[name.casefold()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.casefold() in self._folded
