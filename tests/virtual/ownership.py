"""Server-side apply, as far as our objects need it: who owns which field, and what follows.

A field is a path: names of fields, and in lists that have keys the values of an entry's keys.
All other lists are one field each. Which lists have keys is one table here; a real server has
it from the schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.virtual.wire import Json, conflict

Path = tuple[object, ...]
Owners = Mapping[str, frozenset[Path]]
"""The fields of each field manager."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Keys of the lists that are merged entry by entry, by the name of the field."""

SETS = frozenset({"finalizers"})
UNOWNED = frozenset(
    (
        ("apiVersion",),
        ("kind",),
        ("metadata", "name"),
        ("metadata", "namespace"),
        ("metadata", "uid"),
        ("metadata", "resourceVersion"),
        ("metadata", "generation"),
        ("metadata", "creationTimestamp"),
        ("metadata", "deletionTimestamp"),
    )
)


def fields(item: Json) -> frozenset[Path]:
    """All fields of an object that can have an owner."""
    return frozenset(path for path, _ in _leaves((), item)) - UNOWNED


def changed(old: Json, new: Json) -> frozenset[Path]:
    """The fields that a write set to something else."""
    before = dict(_leaves((), old))
    after = _leaves((), new)
    return frozenset(path for path, value in after if before.get(path, _leaves) != value) - UNOWNED


def check(owners: Owners, manager: str, old: Json, wanted: Json) -> None:
    """Refuse to change what another manager owns."""
    before, asked = dict(_leaves((), old)), dict(_leaves((), wanted))
    for other, held in owners.items():
        contested = [
            path
            for path, value in asked.items()
            if other != manager and path in held and before.get(path) != value
        ]
        if contested:
            raise conflict(f"Apply failed with 1 conflict: conflict with {other!r}")


def applied(owners: Owners, manager: str, old: Json, wanted: Json) -> Json:
    """The object with the wanted fields, and without those that only `manager` wanted before."""
    asked = fields(wanted)
    others = frozenset[Path]().union(*(held for name, held in owners.items() if name != manager))
    result = _merged("", old, wanted)
    # An entry's keys go last: by them it is found.
    for path in sorted(owners.get(manager, frozenset()) - asked - others, key=_is_key):
        result = _without("", result, path)
    return dict(result)


def noted(owners: Owners, manager: str, asked: frozenset[Path], now: Json) -> Owners:
    """Who owns what after an apply: what was asked for is the manager's."""
    left = fields(now)
    return {name: held & left for name, held in {**owners, manager: asked}.items()}


def taken(owners: Owners, manager: str, touched: frozenset[Path], now: Json) -> Owners:
    """Who owns what after another write: what it changed is the writer's alone."""
    left = fields(now)
    kept = {name: (held - touched) & left for name, held in owners.items()}
    return {**kept, manager: kept.get(manager, frozenset()) | touched}


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
        return
    name = str(path[-1]) if path else ""
    if isinstance(value, list) and name in KEYS:
        for entry in value:
            key = _key(name, entry)
            for inner, found in _leaves((), entry):
                yield (*path, key, *inner), found
        return
    if isinstance(value, list) and name in SETS:
        for entry in value:
            yield (*path, (entry,)), entry
        return
    yield path, value


def _merged(name: str, old: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict):
        before = old if isinstance(old, dict) else {}
        return {
            **before,
            **{key: _merged(key, before.get(key), value) for key, value in wanted.items()},
        }
    if isinstance(wanted, list) and name in SETS:
        return list(dict.fromkeys((*(old or ()), *wanted)))
    if isinstance(wanted, list) and name in KEYS:
        entries = {_key(name, entry): entry for entry in old or ()}
        for entry in wanted:
            key = _key(name, entry)
            entries[key] = _merged("", entries.get(key), entry)
        return list(entries.values())
    return wanted


def _is_key(path: Path) -> bool:
    return any(path[-1] in keys for keys in KEYS.values())


def _key(name: str, entry: Json) -> Path:
    return tuple(entry.get(key) for key in KEYS[name])


def _without(name: str, value: Any, path: Path) -> Any:
    """The value without what is at the path, and without what is empty for that reason."""
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        left = (_entry_without(name, entry, head, rest) for entry in value)
        return [entry for entry in left if entry is not None]
    if not isinstance(value, dict) or head not in value:
        return value
    inner = _without(str(head), value[head], rest) if rest else None
    kept = {key: each for key, each in value.items() if key != head}
    return {**kept, str(head): inner} if inner else kept


def _entry_without(name: str, entry: Any, head: object, rest: Path) -> Any:
    """One entry of a list with less in it; None when nothing is left of it."""
    key = _key(name, entry) if name in KEYS else (entry,)
    if key != head:
        return entry
    return (_without("", entry, rest) or None) if rest else None
