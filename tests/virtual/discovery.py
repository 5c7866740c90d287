"""What the API in memory says that it serves."""

from __future__ import annotations

from collections.abc import Iterable

from tests.virtual.kinds import KINDS, Kind
from tests.virtual.wire import Json

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def discovered(path: str) -> Json | None:
    """The answer to a question about versions, groups or resources; None when it is another."""
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = dict.fromkeys(kind.api_version for kind in KINDS if "/" in kind.api_version)
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(map(_group, groups))}
    served = [kind for kind in KINDS if kind.prefix == path]
    return _resources(served) if served else None


def _group(api_version: str) -> Json:
    name, _, version = api_version.partition("/")
    told = {"groupVersion": api_version, "version": version}
    return {"name": name, "versions": [told], "preferredVersion": told}


def _resources(kinds: Iterable[Kind]) -> Json:
    found = [each for kind in kinds for each in _entries(kind)]
    version = next(iter(kinds)).api_version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": found,
    }


def _entries(kind: Kind) -> list[Json]:
    entry = {"kind": kind.name, "namespaced": kind.namespaced}
    whole = {**entry, "name": kind.plural, "singularName": kind.name.lower(), "verbs": _VERBS}
    if not kind.has_status:
        return [whole]
    status = {"name": f"{kind.plural}/status", "singularName": "", "verbs": ["get", "patch"]}
    return [whole, {**entry, **status}]
