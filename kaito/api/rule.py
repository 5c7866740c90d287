"""Rules on parts of an object: told to the API server in CEL, and asked again where we read it.

The API server refuses what breaks a rule; an object that was stored before the rule was there
reaches the controller all the same, which then says the same sentence in its status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, JsonValue
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from kaito.kube.objects import KubeModel

RECREATE = "delete the Workspace and create it anew to change it"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on one part of an object.

    Attributes:
        cel: what must be true of `self`, the part; over `oldSelf` too, where it is about a change.
        message: what is wrong where it is not, and the remedy.
        field: name of the part's field that is to blame, as on the wire; "": the part itself.
        holds: the same as `cel` on the part as it was read. Of a change only the API server sees
            both sides, so such a rule has none.
        only_new: whether it is asked of new parts only: the API server finds too dear what it would
            take to ask it of the earlier self.
        is_entry: whether the part is an entry of a list: it has no earlier self.

    An object that broke a rule before stays as it is, and can be deleted. The API server sees to
    that only for parts that have not changed, and takes every part with a free-form field in it,
    and the object as a whole, for changed; so each rule says it itself.
    """

    cel: str
    message: str
    field: str = ""
    holds: Callable[..., bool] | None = None
    only_new: bool = False
    is_entry: bool = False

    def wire(self) -> JsonValue:
        """The rule as a schema holds it."""
        wire: dict[str, JsonValue] = {"rule": self.cel, "message": self.message}
        if self.field:
            wire["fieldPath"] = f".{self.field}"
        if self.holds is not None and not self.is_entry:
            earlier = re.sub(r"\bself\b", "oldSelf.value()", self.cel)
            excused = "" if self.only_new else f" && !({earlier})"
            wire |= {
                "rule": f"({self.cel}) || (oldSelf.hasValue(){excused})",
                "optionalOldSelf": True,
            }
        return wire


class Ruled(KubeModel):
    """A part of the user's spec. Its docstrings are what `kubectl explain` prints."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of the fields, and the rules beside it."""
        made = handler(schema)
        if cls.rules:
            validations = [rule.wire() for rule in cls.rules]
            handler.resolve_ref_schema(made)["x-kubernetes-validations"] = validations
        return made


def unchanged(field: str) -> Rule:
    """An optional field neither changes, appears nor goes.

    Presence is part of it: `self == oldSelf` on the field itself does not fire when it is removed.
    """
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: {RECREATE}",
        field,
    )


def broken(part: BaseModel, path: str = "") -> Iterator[tuple[str, str]]:
    """Rules that `part` and all parts in it break: the field's path, and what is wrong with it."""
    if isinstance(part, Ruled):
        for rule in part.rules:
            if rule.holds is not None and not rule.holds(part):
                yield _joined(path, rule.field), rule.message
    for where, inner in _parts(part):
        yield from broken(inner, _joined(path, where))


def _parts(whole: BaseModel) -> Iterator[tuple[str, Ruled]]:
    """Parts of the spec directly in `whole`, by the names that the wire has for them."""
    for name, wire in _names(type(whole)):
        value = getattr(whole, name)
        if isinstance(value, Ruled):
            yield wire, value
        elif isinstance(value, tuple):
            for number, entry in enumerate(value):
                if isinstance(entry, Ruled):
                    yield f"{wire}[{number}]", entry


@cache
def _names(kind: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """The fields of a type, each with its name on the wire."""
    return tuple((name, field.alias or name) for name, field in kind.model_fields.items())


def _joined(path: str, field: str) -> str:
    """A path and a field below it."""
    return f"{path}.{field}" if path and field else path or field
