"""Print the parameters that PEFT and TRL know, as JSON: `python presets/tuning/parameters.py`.

The trainer's file training/parameters.json is this output. It lets a configuration be checked where
the libraries are not installed, before a GPU is bought; a test holds it against them.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator

WORDS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def parameters(kind: type) -> dict[str, dict[str, list[str]]]:
    """The fields of a dataclass: the JSON types of each, and its words where they are closed."""
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        if field.init:
            hint = hints[field.name]
            words = sorted(set(choices(hint)))
            entry = {"types": sorted({word for one in parts(hint) for word in json_types(one)})}
            found[field.name] = entry | ({"choices": words} if words else {})
    return found


def parts(hint: object) -> Iterator[object]:
    """The alternatives of a type."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for one in typing.get_args(hint):
            yield from parts(one)
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(hint)}
    else:
        yield origin or hint


def json_types(kind: object) -> Iterator[str]:
    """What JSON has for a type; nothing for what cannot be written in a file."""
    if kind in WORDS:
        yield WORDS[kind]
    elif kind in (list, tuple):
        yield "array"
    elif kind is dict or dataclasses.is_dataclass(kind):
        yield "object"
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield "string"


def choices(hint: object) -> Iterator[str]:
    """The words that a type allows, where they are a closed list."""
    if typing.get_origin(hint) is typing.Literal:
        yield from (str(value) for value in typing.get_args(hint) if "[" not in str(value))
        return
    for one in typing.get_args(hint) or (hint,):
        if isinstance(one, type) and issubclass(one, enum.Enum) and one.__name__ != "DebugOption":
            yield from (str(member.value) for member in one)


def main() -> None:
    """Print them."""
    from peft import LoraConfig
    from trl import SFTConfig

    found = {"LoraConfig": parameters(LoraConfig), "TrainingArguments": parameters(SFTConfig)}
    print(json.dumps(found, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
