"""Whose fields are whose: what an object was made with becomes what was applied. Pure.

The API server tells the fields that a manager created or patched from those that it applied, even
where the manager is one: an apply takes out only what an earlier apply has named. Whoever creates
an object and applies to it later has to move the fields from one to the other.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-to-server-side-apply
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

Entry = Mapping[str, Any]
"""One of an object's metadata.managedFields, in wire form."""

_APPLY, _UPDATE = "Apply", "Update"


def entries_of(answer: object) -> Sequence[Entry]:
    """The entries of an object as the API server sends it."""
    metadata = answer.get("metadata") if isinstance(answer, Mapping) else None
    found = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    return tuple(each for each in found or () if isinstance(each, Mapping))


def as_applied(entries: Sequence[Entry], manager: str) -> Sequence[Entry] | None:
    """The entries, with all fields of a manager in the one of its applies.

    Those of a subresource stay as they are.

    Returns:
        None where the manager has nothing but what it applied.
    """
    own = [each for each in entries if _is_of(each, manager)]
    written = [each for each in own if each["operation"] == _UPDATE]
    if not written:
        return None
    last = max(own, key=lambda each: (each["operation"] == _APPLY, str(each.get("time"))))
    fields = reduce(_union, (each.get("fieldsV1") or {} for each in own))
    kept = [each for each in entries if not _is_of(each, manager)]
    return [*kept, {**last, "operation": _APPLY, "fieldsV1": fields}]


def _is_of(entry: Entry, manager: str) -> bool:
    """Whether an entry is a manager's, of the object itself."""
    return entry.get("manager") == manager and not entry.get("subresource")


def _union(one: Entry, other: Entry) -> Entry:
    """The fields of both: each key is a field, and what it holds are those within."""
    return {
        key: _union(one.get(key, {}), other.get(key, {})) for key in dict.fromkeys((*one, *other))
    }
