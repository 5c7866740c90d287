"""The page of a Workspace's fields, from the schema that the API server enforces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.annotations import ANNOTATIONS
from hack.annotations import HEAD as NOTED

DEFINITION = "manifests/crds/kaito.sh_workspaces.yaml"
EXAMPLES = "docs/reference/workspaces"
"""Whole Workspaces: each value on the page is of one of them."""
HEAD = ("field", "type", "default", "bounds", "can change", "example", "what it is")
SEEN = ("field", "type", "what it is")
KUBERNETES = "as in Kubernetes"
"""What stands where the schema describes nothing: a field that everybody knows."""

_RULES = "x-kubernetes-validations"
_IMMUTABLE = " is immutable"
_BOUNDS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {} items"),
    ("maxProperties", "at most {} entries"),
)
_OPENING = (
    "`kaito.sh/v1beta1`; `v1alpha1` has the same fields. There is no `spec`: `resource` and one of"
    " `inference` and `tuning` stand at the top. `kubectl explain workspace.resource` tells the"
    " same."
)
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        path: its names, with `[]` after a list.
        schema: of its value.
        required: whether what it is in must have it.
        fixed: whether it, or what it is in, is immutable.
    """

    path: str
    schema: Schema
    required: bool
    fixed: bool

    @property
    def is_leaf(self) -> bool:
        """Whether it holds a value and not further fields."""
        return not _within(self.schema)

    @property
    def text(self) -> str:
        """What the schema says of it, on one line."""
        return " ".join(str(self.schema.get("description", KUBERNETES)).split())


def schema(root: Path) -> Schema:
    """The schema of a Workspace; all versions have the same one."""
    version = yaml.safe_load((root / DEFINITION).read_text())["spec"]["versions"][0]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def fields(whole: Schema, part: str) -> list[Field]:
    """A part of the object and everything in it, in the order of the schema."""
    required = part in whole.get("required", ())
    return [*_fields(part, whole["properties"][part], required=required, fixed=frozenset())]


def page(root: Path) -> str:
    """The page.

    Args:
        root: of the checkout, which holds the examples.
    """
    whole, examples = schema(root), read_examples(root)
    parts = [
        "# The fields of a Workspace\n\n",
        f"Written by `python -m hack.pages` from {DEFINITION}. Do not edit.\n\n{_OPENING}\n",
    ]
    for part in ("resource", "inference", "tuning"):
        rows = (_row(field, examples.values()) for field in fields(whole, part))
        parts.append(f"\n## `{part}`\n\n{table(HEAD, rows)}")
    seen = ((f"`{each.path}`", _type(each.schema), each.text) for each in fields(whole, "status"))
    parts.append(f"\n## `status`\n\n{table(SEEN, seen)}")
    notes = ((f"`{name}`", *each) for name, each in ANNOTATIONS.items())
    parts.append(f"\n## Annotations\n\n{table(NOTED, notes)}")
    parts.append("\n## What the API server refuses\n\n")
    parts.append(table(("where", "message"), _refusals("", whole)))
    parts.append("\n## Examples\n")
    parts += [f"\n```yaml\n{(root / EXAMPLES / name).read_text()}```\n" for name in examples]
    return "".join(parts)


def read_examples(root: Path) -> dict[str, Schema]:
    """The examples, by the names of their files."""
    files = sorted((root / EXAMPLES).glob("*.yaml"))
    return {file.name: yaml.safe_load(file.read_text()) for file in files}


def unexampled(whole: Schema, examples: Iterable[Schema]) -> list[str]:
    """Fields of the spec that hold a value, are supported and have none in any example."""
    known = list(examples)
    return [
        field.path
        for part in ("resource", "inference", "tuning")
        for field in fields(whole, part)
        if field.is_leaf and "Not supported" not in field.text and not _example(field, known)
    ]


def _fields(path: str, found: Schema, *, required: bool, fixed: frozenset[str]) -> Iterator[Field]:
    """A field, and those in it; `fixed` are the paths that are known to be immutable."""
    is_fixed = path in fixed
    yield Field(path, found, required, is_fixed)
    inner = found["items"] if found.get("type") == "array" else found
    prefix = f"{path}[]" if inner is not found else path
    fixed |= {f"{prefix}.{name}" for name in _immutable(inner)}
    for name, each in inner.get("properties", {}).items():
        below = f"{prefix}.{name}"
        yield from _fields(
            below,
            each,
            required=name in inner.get("required", ()),
            fixed=fixed | {below} if is_fixed else fixed,
        )


def _immutable(found: Schema) -> Iterator[str]:
    """What the rules of an object keep as it is: names, or names of names."""
    for rule in found.get(_RULES, ()):
        subject, keeps, _ = rule["message"].partition(_IMMUTABLE)
        if keeps:
            yield subject


def _within(found: Schema) -> Schema:
    """The fields in a field."""
    inner = found.get("items", found)
    properties: Schema = inner.get("properties", {})
    return properties


def _row(field: Field, examples: Iterable[Schema]) -> tuple[str, ...]:
    """A line of the table."""
    default = field.schema.get("default")
    return (
        f"`{field.path}`",
        _type(field.schema),
        "required" if field.required else "-" if default is None else f"`{json.dumps(default)}`",
        _bounds(field.schema) or "-",
        "no" if field.fixed else "yes",
        _example(field, examples) if field.is_leaf else "",
        field.text,
    )


def _type(found: Schema) -> str:
    """The type in words."""
    if found.get("type") == "array":
        return f"list of {_type(found['items'])}s"
    if "additionalProperties" in found:
        return f"map of {_type(found['additionalProperties'])}s"
    return str(found["type"])


def _bounds(found: Schema) -> str:
    """What a value must keep to."""
    said = [text.format(found[key]) for key, text in _BOUNDS if key in found]
    if "enum" in found:
        said.append(" or ".join(f"`{each}`" for each in found["enum"]))
    if "pattern" in found:
        said.append(f"`{found['pattern']}`")
    inner = found.get("items", found.get("additionalProperties", {}))
    if inner and (each := _bounds(inner)):
        said.append(f"each {each}")
    return ", ".join(said)


def _example(field: Field, examples: Iterable[Schema]) -> str:
    """The value that the first of the examples has there; "" where none has one."""
    values = (value for example in examples for value in _at(example, field.path.split(".")))
    found = next(values, None)
    return "" if found is None else f"`{json.dumps(found)}`"


def _at(value: Any, names: Sequence[str]) -> Iterator[object]:
    """Every value that an object has at a path."""
    if not names:
        yield value
        return
    name = names[0].removesuffix("[]")
    found = value.get(name) if isinstance(value, Mapping) else None
    if found is None:
        return
    for each in found if names[0].endswith("[]") else [found]:
        yield from _at(each, names[1:])


def _refusals(path: str, found: Schema) -> Iterator[tuple[str, str]]:
    """Each rule that is no immutability, with the field that it is about."""
    inner = found["items"] if found.get("type") == "array" else found
    prefix = f"{path}[]" if inner is not found else path
    for rule in inner.get(_RULES, ()):
        if _IMMUTABLE not in rule["message"]:
            where = f"{prefix}{rule.get('fieldPath', '')}".removeprefix(".")
            yield f"`{where}`" if where else "", rule["message"]
    for name, each in inner.get("properties", {}).items():
        yield from _refusals(f"{prefix}.{name}", each)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = (head, ["---"] * len(head), *rows)
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )
