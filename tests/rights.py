"""What the two ServiceAccounts may do, beside what they did: read from manifests and audit logs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from hack.cluster import audit
from hack.cluster.layout import Layout
from tests.bystander import Json

RBAC = Path(__file__).parents[1] / "manifests" / "rbac"


class Right(NamedTuple):
    """One verb on one resource.

    Attributes:
        account: name of the ServiceAccount.
        verb: as in a role.
        resource: plural, "/" and the subresource; with the group behind a dot, if there is one.
    """

    account: str
    verb: str
    resource: str


def granted() -> set[Right]:
    """Every right that the manifests bind to one of ours."""
    objects = [
        each for path in RBAC.glob("*.yaml") for each in yaml.safe_load_all(path.read_text())
    ]
    roles = {
        (each["kind"], each["metadata"]["name"]): each
        for each in objects
        if each["kind"] in ("Role", "ClusterRole")
    }
    return {
        right
        for each in objects
        if each["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in each["subjects"]
        for right in _given(
            roles[each["roleRef"]["kind"], each["roleRef"]["name"]], subject["name"]
        )
    }


def _given(role: Json, account: str) -> Iterator[Right]:
    for rule in role["rules"]:
        for group in rule.get("apiGroups", ()):
            for resource in rule.get("resources", ()):
                for verb in rule["verbs"]:
                    yield Right(account, verb, _named(resource, group))


def requests(layout: Layout) -> list[Json]:
    """The lines of a cluster's audit log that are whole."""
    lines = audit.log(layout).read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def used(lines: Iterable[Json]) -> set[Right]:
    """Rights of requests that were let through."""
    return {_right(line) for line in lines if _is_allowed(line) and "objectRef" in line}


def denied(lines: Iterable[Json]) -> set[Right]:
    """Rights of requests that were refused for want of them."""
    return {_right(line) for line in lines if not _is_allowed(line) and "objectRef" in line}


def _right(line: Json) -> Right:
    place = line["objectRef"]
    sub = f"/{place['subresource']}" if place.get("subresource") else ""
    account = line["user"]["username"].removeprefix(audit.USER)
    return Right(account, line["verb"], _named(f"{place['resource']}{sub}", place.get("apiGroup")))


def _is_allowed(line: Json) -> bool:
    return bool(line.get("annotations", {}).get("authorization.k8s.io/decision") == "allow")


def _named(resource: str, group: str | None) -> str:
    return f"{resource}.{group}" if group else resource
