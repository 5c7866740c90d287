"""Whether an object still is what was applied, in spite of all that the API server adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kaito.kube.quantity import amount

_QUANTITIES = frozenset({"divisor", "sizeLimit"})
"""Fields of a pod template that hold a quantity."""
_AMOUNTS = frozenset({"limits", "requests"})
"""Those that hold one for each resource."""
_WHOLE = frozenset({"selector"})
"""Those to which one more key is another meaning: of a Service, fewer pods, or none."""


def is_covered(wanted: object, found: object) -> bool:
    """Whether everything in `wanted` stands in `found` too.

    The API server and others add fields, and named items to lists: those do not count. What
    `wanted` leaves empty may be absent.
    """
    if wanted == found or (not wanted and wanted is not False and wanted != 0):
        return True
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return False
        return all(_is_field_covered(key, value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return _is_list_covered(wanted, found)
    return wanted == found


def _is_field_covered(key: str, wanted: object, found: object) -> bool:
    """The same for a field: quantities are stored in a form of their own, `0.5` as "500m"."""
    if key in _WHOLE:
        return wanted == found
    if is_covered(wanted, found):
        return True
    if key in _AMOUNTS and isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(
            is_covered(value, found.get(name)) or _is_as_much(value, found.get(name))
            for name, value in wanted.items()
        )
    return key in _QUANTITIES and _is_as_much(wanted, found)


def _is_as_much(wanted: object, found: object) -> bool:
    """Whether both are quantities, and the same."""
    try:
        return amount(str(wanted)) == amount(str(found))
    except ValueError:
        return False


def _is_list_covered(wanted: Sequence[object], found: object) -> bool:
    """The same for a list: items with a name are found by it, all others by their place."""
    if not isinstance(found, Sequence) or isinstance(found, str):
        return False
    named = {item["name"]: item for item in found if isinstance(item, Mapping) and "name" in item}
    if all(isinstance(item, Mapping) and "name" in item for item in wanted):
        return all(
            is_covered(item, named.get(item["name"]))
            for item in wanted
            if isinstance(item, Mapping)
        )
    return len(wanted) == len(found) and all(
        is_covered(one, other) for one, other in zip(wanted, found, strict=True)
    )
