"""What a cluster holds, seen from outside: every object that can be listed, whoever labelled it."""

from __future__ import annotations

import json
from typing import NamedTuple

import yaml

from tests.bystander import Bystander

CHURN = ("events", "events.events.k8s.io", "leases.coordination.k8s.io")
"""Kinds whose objects come and go by themselves."""


class Name(NamedTuple):
    """Of an object; the namespace is empty where it has none."""

    kind: str
    namespace: str
    name: str


Traces = dict[Name, tuple[str, ...]]
"""Keys of the labels and of the data of each object: what others add to one that was there."""


async def kinds(cluster: Bystander) -> list[str]:
    """Every resource that the API server lists, without those that only tell of the moment."""
    served = await cluster.kubectl(
        "api-resources", "--verbs=list", "--output=name", "--cached=false"
    )
    assert served.code == 0, served.errors
    return [
        each
        for each in served.output.split()
        if each not in CHURN and not each.endswith("metrics.k8s.io")
    ]


async def traces(cluster: Bystander) -> Traces:
    """All objects of a cluster."""
    listed = ",".join(await kinds(cluster))
    found = await cluster.kubectl("get", listed, "--all-namespaces", "--output=json")
    assert found.code == 0, found.errors
    return {
        Name(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): (
            *sorted(each["metadata"].get("labels") or {}),
            *sorted(each.get("data") or {}),
        )
        for each in json.loads(found.output)["items"]
    }


def named(there: Traces, manifests: str) -> set[Name]:
    """Those that are written in YAML too, where an object of no namespace may be given one."""
    written = {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(manifests)}
    found = {each for each in there if (each.kind, each.name) in written}
    assert {(each.kind, each.name) for each in found} == written
    return found


def left(before: Traces, after: Traces, gone: set[Name]) -> Traces:
    """What is there that was not, and what of these objects and their namespaces is not gone."""
    spaces = {each.name for each in gone if each.kind == "Namespace"}
    return {
        each: keys
        for each, keys in after.items()
        if before.get(each) != keys or each in gone or each.namespace in spaces
    }
