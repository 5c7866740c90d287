"""What an informer knows: objects by Ref, with indexes that change together with them.

A store never goes back in time: of two versions of one object the later stays. All
methods are synchronous, so no reader ever sees half a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from kaito.kube.decoding import Listing
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.versions import is_older

T = TypeVar("T", bound=KubeObject)
Change = tuple[T | None, T | None]
"""(before, after); None means that there is no such object."""
Index = Callable[[T], Iterable[str]]
"""The values under which an object is found."""


class Store(Generic[T]):
    """The objects of one resource."""

    def __init__(self, indexes: Mapping[str, Index[T]] | None = None) -> None:
        self._indexes = dict(indexes or {})
        self._objects: dict[Ref, T] = {}
        self._ordered: tuple[T, ...] | None = ()
        self._found: dict[str, dict[str, set[Ref]]] = {name: {} for name in self._indexes}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, ref: Ref) -> T | None:
        """The object, None when there is none."""
        return self._objects.get(ref)

    def list(self) -> tuple[T, ...]:
        """All objects, ordered by Ref."""
        if self._ordered is None:
            self._ordered = tuple(self._objects[ref] for ref in sorted(self._objects))
        return self._ordered

    def by_index(self, index: str, value: str) -> tuple[T, ...]:
        """The objects that `index` finds under `value`, ordered by Ref.

        Raises:
            KeyError: there is no such index.
        """
        return tuple(self._objects[ref] for ref in sorted(self._found[index].get(value, ())))

    def put(self, new: T) -> tuple[Change[T], ...]:
        """Take in one object and say what changed.

        Nothing, when it is no news; two changes, when an object of that name was deleted
        and made again behind our back.
        """
        ref = new.ref
        old = self._objects.get(ref)
        if old is not None and _is_same(old, new) and not _is_later(old, new):
            return ()
        self._forget(ref, old)
        self._keep(ref, new)
        if old is None or _is_same(old, new):
            return ((old, new),)
        return ((old, None), (None, new))

    def remove(self, ref: Ref) -> tuple[Change[T], ...]:
        """Drop an object and say what changed."""
        old = self._objects.get(ref)
        if old is None:
            return ()
        self._forget(ref, old)
        return ((old, None),)

    def replace(self, listing: Listing[T]) -> tuple[Change[T], ...]:
        """Take in a whole collection at once and say what changed.

        An object that exists but cannot be read keeps the state in which we last saw it:
        to treat it as gone could cost a user the machine behind it.
        """
        present = {item.ref for item in listing.items} | listing.undecodable
        gone = [ref for ref in self._objects if ref not in present]
        changes = [change for ref in gone for change in self.remove(ref)]
        changes += [change for item in listing.items for change in self.put(item)]
        return tuple(changes)

    def _keep(self, ref: Ref, new: T) -> None:
        self._objects[ref] = new
        self._ordered = None
        for name, index in self._indexes.items():
            for value in index(new):
                self._found[name].setdefault(value, set()).add(ref)

    def _forget(self, ref: Ref, old: T | None) -> None:
        if old is None:
            return
        del self._objects[ref]
        self._ordered = None
        for name, index in self._indexes.items():
            for value in index(old):
                refs = self._found[name].get(value, set())
                refs.discard(ref)
                if not refs:
                    self._found[name].pop(value, None)


def _is_same(old: KubeObject, new: KubeObject) -> bool:
    """Whether both are states of one object, not of two that had the same name."""
    return old.metadata.uid == new.metadata.uid


def _is_later(old: KubeObject, new: KubeObject) -> bool:
    """Whether `new` is a later state."""
    return is_older(old.metadata.resource_version, new.metadata.resource_version)
