"""Whether an object still is what was applied, in spite of all that the API server adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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
        return all(is_covered(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return _is_list_covered(wanted, found)
    return wanted == found


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
