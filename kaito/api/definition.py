"""A CustomResourceDefinition, made from the Kind's pydantic model.

The API server wants a *structural* schema: no references, no `null` alternatives, no
titles. `structural` folds what pydantic emits into that form; rules and list types that
pydantic does not know travel in `json_schema_extra`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource

Schema = dict[str, JsonValue]

_DROPPED = frozenset({"title", "$defs", "$ref"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """A served version; all versions share one schema."""

    name: str
    columns: tuple[Column, ...]
    storage: bool = True


@dataclass(frozen=True, slots=True)
class Definition:
    """Everything about a Kind that the API server has to be told."""

    resource: Resource[KubeObject]
    versions: tuple[Version, ...]
    categories: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()


def manifest(definition: Definition) -> Schema:
    """The CustomResourceDefinition of a Kind, in wire form."""
    resource = definition.resource
    singular = resource.kind.lower()
    names: Schema = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": singular,
    }
    if definition.categories:
        names["categories"] = list(definition.categories)
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    schema = _openapi(resource.type)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [_served(version, schema) for version in definition.versions],
        },
    }


def _served(version: Version, schema: Schema) -> Schema:
    """One entry of `spec.versions`."""
    return {
        "name": version.name,
        "served": True,
        "storage": version.storage,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_printed(column) for column in version.columns],
        "schema": {"openAPIV3Schema": schema},
    }


def _printed(column: Column) -> Schema:
    """One entry of `additionalPrinterColumns`."""
    printed: Schema = {"name": column.name, "jsonPath": column.path, "type": column.type}
    if column.priority:
        printed["priority"] = column.priority
    return printed


def _openapi(kind: type[KubeObject]) -> Schema:
    """The structural schema of a Kind; metadata is the API server's own business."""
    raw: Schema = kind.model_json_schema(by_alias=True, mode="validation")
    schema = structural(raw, _mapping(raw.get("$defs", {})))
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **_mapping(schema["properties"]),
        "metadata": {"type": "object"},
    }
    return schema


def structural(schema: Schema, definitions: Schema) -> Schema:
    """`schema` without references, null alternatives and titles.

    Args:
        schema: JSON schema as pydantic emits it.
        definitions: its `$defs`.
    """
    merged = _resolved(schema, definitions)
    kept: Schema = {}
    for key, value in merged.items():
        if key in _DROPPED or (key == "default" and not _is_worth_writing(value)):
            continue
        kept[key] = _folded(key, value, definitions)
    return kept


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """`schema` with its reference and its `X | None` replaced by what they stand for."""
    alternatives = schema.get("anyOf")
    if isinstance(alternatives, list):
        real = [a for a in alternatives if isinstance(a, dict) and a.get("type") != "null"]
        if len(real) == 1:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return _resolved({**real[0], **rest}, definitions)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = _mapping(definitions[reference.rsplit("/", 1)[-1]])
        return {**_resolved(target, definitions), **schema}
    return schema


def _folded(key: str, value: JsonValue, definitions: Schema) -> JsonValue:
    """The value of one keyword, with the schemas inside it made structural."""
    if key == "properties" and isinstance(value, dict):
        return {
            name: structural(inner, definitions)
            for name, inner in value.items()
            if isinstance(inner, dict)
        }
    if key in {"items", "additionalProperties"} and isinstance(value, dict):
        return structural(value, definitions)
    return value


def _is_worth_writing(default: JsonValue) -> bool:
    """Whether a default changes an object; empty ones only make diffs longer."""
    if isinstance(default, dict):
        return bool(default) and all(_is_worth_writing(value) for value in default.values())
    return default not in (None, "", [])


def _mapping(value: JsonValue) -> Schema:
    """`value`, which pydantic promises to be an object."""
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, found {value!r}")
    return value
