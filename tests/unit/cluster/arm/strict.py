"""Where JSON differs from a model of the Azure SDK: unknown fields, wrong types, wrong words.

The SDK's own reading is lenient: what it does not know it keeps, and it checks no type.
"""

from __future__ import annotations

import datetime
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from azure.mgmt.containerservice import models


def misfits(value: object, model: type[Any], at: str = "") -> Iterator[str]:
    """What is wrong with JSON that is to be a `model`, one line each."""
    if not isinstance(value, Mapping):
        yield f"{at or '.'} is {value!r}, no object"
        return
    kinds = fields(model)
    for name, inner in value.items():
        place = f"{at}.{name}"
        if name not in kinds:
            yield f"{place} is unknown"
        else:
            yield from _misfits(inner, kinds[name], place)


def fields(model: type[Any]) -> Mapping[str, Any]:
    """Types of a model's fields by their REST names."""
    model({})  # the fields are gathered with the first object
    names = {key: field._rest_name for key, field in model._attr_to_rest_field.items()}
    hints: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        if each.__module__.startswith(models.__name__):
            hints |= get_type_hints(each, localns={"_models": models, "datetime": datetime})
    return {rest: hints[key] for key, rest in names.items()}


def read_only(model: type[Any]) -> frozenset[str]:
    """Fields that the service alone fills in."""
    model({})
    found = model._attr_to_rest_field.values()
    return frozenset(field._rest_name for field in found if field._visibility == ["read"])


def _misfits(value: object, kind: Any, at: str) -> Iterator[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        yield from _of_union(value, [each for each in inner if each is not types.NoneType], at)
    elif origin is list and isinstance(value, list):
        for place, each in enumerate(value):
            yield from _misfits(each, inner[0], f"{at}[{place}]")
    elif origin is dict and isinstance(value, Mapping):
        for key, each in value.items():
            yield from _misfits(each, inner[1], f"{at}.{key}")
    elif isinstance(kind, type) and kind.__module__.startswith(models.__name__):
        yield from misfits(value, kind, at)
    elif not _SCALARS.get(kind, _never)(value):
        yield f"{at} is {value!r}, no {kind}"


def _of_union(value: object, kinds: list[Any], at: str) -> Iterator[str]:
    """An open set of words is str or an Enum: the words that are known must be used."""
    words = [word.value for each in kinds if _is_enum(each) for word in each]
    if words:
        if value not in words:
            yield f"{at} is {value!r}, none of {words}"
    elif value is not None:
        yield from _misfits(value, kinds[0], at)


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and bool(datetime.datetime.fromisoformat(value))


def _never(value: object) -> bool:
    return False


_SCALARS: Mapping[object, Callable[[object], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    datetime.datetime: _is_time,
}
