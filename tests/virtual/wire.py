"""Objects in wire form: refusals, patches, selectors. Pure; nothing given is ever changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


class Refused(Exception):
    """A request that fails, as the API server tells it."""

    def __init__(self, code: int, reason: str, message: str, *, cause: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.cause = cause

    @property
    def status(self) -> Json:
        """The Status object."""
        details = {"causes": [{"reason": self.cause}]} if self.cause else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "details": details,
        }


def invalid(message: str) -> Refused:
    """422: the object cannot be so."""
    return Refused(422, "Invalid", message)


def conflict(message: str) -> Refused:
    """409: the object is not what the request thinks."""
    return Refused(409, "Conflict", message)


def not_found(what: str) -> Refused:
    """404."""
    return Refused(404, "NotFound", f"{what} not found")


def merged(old: object, patch: Mapping[str, Any]) -> Json:
    """RFC 7396."""
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key), value)
        else:
            result[key] = value
    return result


def operated(old: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """RFC 6902: add, remove, replace and test.

    Raises:
        Refused: a test failed, or there is nothing at a path.
    """
    result = copy.deepcopy(old)
    for operation in operations:
        *way, last = [
            word.replace("~1", "/").replace("~0", "~")
            for word in str(operation["path"]).split("/")[1:]
        ]
        place: Any = result
        for word in way:
            place = _at(place, word)
        _operate(place, last, operation)
    return result


def _operate(place: Any, last: str, operation: Mapping[str, Any]) -> None:
    verb = operation["op"]
    if verb == "test":
        if _at(place, last) != operation["value"]:
            raise invalid(f"testing value {operation['path']} failed")
    elif verb == "add" and isinstance(place, list):
        place.insert(len(place) if last == "-" else int(last), operation["value"])
    elif verb == "add":
        place[last] = operation["value"]
    elif verb == "replace":
        _at(place, last)
        place[int(last) if isinstance(place, list) else last] = operation["value"]
    elif verb == "remove":
        _at(place, last)
        del place[int(last) if isinstance(place, list) else last]
    else:
        raise Refused(400, "BadRequest", f"operation {verb} is not served here")


def _at(place: Any, word: str) -> Any:
    try:
        return place[int(word) if isinstance(place, list) else word]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise invalid(f"there is nothing at {word}") from error


def is_selected(item: Json, labels: str, fields: str) -> bool:
    """Whether an object fits a label selector (equality, sets, existence) and a field selector."""
    carried = item["metadata"].get("labels") or {}
    return all(_fits(carried, term) for term in _terms(labels)) and all(
        _field(item, term) for term in _terms(fields)
    )


def _terms(selector: str) -> list[str]:
    terms: list[str] = []
    for word in selector.split(","):
        if terms and terms[-1].count("(") > terms[-1].count(")"):
            terms[-1] += f",{word}"
        elif word:
            terms.append(word.strip())
    return terms


def _fits(carried: Mapping[str, str], term: str) -> bool:
    if "(" in term:
        key, verb, rest = term.split(" ", 2)
        values = [value.strip() for value in rest.strip("() ").split(",")]
        return (carried.get(key) in values) is (verb == "in")
    key, sign, value = _parted(term)
    if not sign:
        return (key.lstrip("!") in carried) is not key.startswith("!")
    return (carried.get(key) == value) is (sign != "!=")


def _field(item: Json, term: str) -> bool:
    path, sign, value = _parted(term)
    found: Any = item
    for word in path.split("."):
        found = found.get(word, "") if isinstance(found, Mapping) else ""
    return (found == value) is (sign != "!=")


def _parted(term: str) -> tuple[str, str, str]:
    for sign in ("!=", "==", "="):
        if sign in term:
            key, _, value = term.partition(sign)
            return key, sign, value
    return term, "", ""
