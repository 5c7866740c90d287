"""What a write may change of an object, and what the server makes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.virtual.kinds import Address
from tests.virtual.wire import Json, conflict, invalid

KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name")
"""Metadata that no write changes."""


def parts(where: Address) -> Callable[[str], bool]:
    """Which top-level fields a request may write."""
    if where.subresource:
        return lambda name: name == where.subresource
    return lambda name: not (where.kind.has_status and name == "status")


def completed(where: Address, old: Json, asked: Json) -> Json:
    """What was asked for, with everything that this request cannot change as it was."""
    is_asked = parts(where)
    new = {key: each for key, each in asked.items() if is_asked(key)}
    new |= {key: each for key, each in old.items() if not is_asked(key)}
    new |= {key: old[key] for key in ("apiVersion", "kind")}
    if where.subresource:
        return {**new, "metadata": old["metadata"]}
    before = old["metadata"]
    given = {key: each for key, each in asked["metadata"].items() if key not in KEPT}
    kept = {key: before[key] for key in KEPT if key in before}
    metadata = {**given, **kept, "resourceVersion": before["resourceVersion"]}
    if not metadata.get("finalizers", True):
        del metadata["finalizers"]
    if "deletionGracePeriodSeconds" in before:
        metadata["deletionGracePeriodSeconds"] = before["deletionGracePeriodSeconds"]
    if where.kind.counts and _meant(old) != _meant(new):
        metadata["generation"] += 1
    return {**new, "metadata": metadata}


def _meant(item: Json) -> Mapping[str, object]:
    return {key: each for key, each in item.items() if key not in ("metadata", "status")}


def check_versions(where: Address, old: Json, asked: Json) -> None:
    """Refuse a write that is about another version, or another object of that name.

    Raises:
        Refused: it is.
    """
    before, given = old["metadata"], asked["metadata"]
    if given.get("resourceVersion") not in (None, "", before["resourceVersion"]):
        raise conflict("the object has been modified; please apply your changes to the latest")
    if not where.subresource and given.get("uid") not in (None, "", before["uid"]):
        raise invalid("metadata.uid: field is immutable")


def check_finalizers(old: Json, new: Json) -> None:
    """Refuse a finalizer that comes after the deletion.

    Raises:
        Refused: there is one.
    """
    before, after = (set(each["metadata"].get("finalizers", ())) for each in (old, new))
    if "deletionTimestamp" in old["metadata"] and after - before:
        raise invalid("metadata.finalizers: Forbidden: no new finalizers can be added")


def is_over(item: Json) -> bool:
    """Whether nothing holds up the deletion that was asked for."""
    metadata = item["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("finalizers")
