"""What a controller has made for one Workspace, read back as orders to make the same for others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hack.benchmarks.scale.script import CLAIM, NAME, UID, Write, claim, filled, name
from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.workspace import WORKSPACES
from kaito.kube.client import Client
from kaito.kube.kinds import DEPLOYMENTS, SERVICES
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource

NAMESPACE = "default"
SIZE = "Standard_NC24ads_A100_v4"
_APPLY = "application/apply-patch+yaml"
_OURS = ("name", "namespace", "labels", "annotations", "ownerReferences")
_GIVEN = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""Fields of a Service that the API server fills in."""

Json = Any


def workspace(*, finalizer: bool) -> Write:
    """What makes a Workspace.

    Args:
        finalizer: whether it has that of the controller from the start.
    """
    metadata: Json = {"name": NAME, "namespace": NAMESPACE}
    if finalizer:
        metadata["finalizers"] = [labels.WORKSPACE_FINALIZER]
    selector = {"matchLabels": {"apps": NAME}}
    body = {
        **_typed(WORKSPACES),
        "metadata": metadata,
        "resource": {"instanceType": SIZE, "labelSelector": selector},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    }
    return Write(path=WORKSPACES.path(namespace=NAMESPACE), body=json.dumps(body))


@dataclass(frozen=True, slots=True)
class Record:
    """What was made for the first Workspace.

    Attributes:
        claim: name of its claim.
        words: its own words, and the placeholders that stand for them.
        others: what makes the same for another Workspace.
    """

    claim: str
    words: Mapping[str, str]
    others: Sequence[Write]

    def pool(self, properties: Json, number: int) -> Json:
        """Properties of the pool of another Workspace, whose uid nobody knows yet."""
        values = {NAME: name(number), CLAIM: claim(number), UID: ""}
        return json.loads(filled(_text(properties, self.words), values))


async def recorded(client: Client) -> Record:
    """Read back what was made for the first Workspace."""
    first = Ref(NAMESPACE, name(0))
    item: Json = await client.request("GET", WORKSPACES.path(first))
    found = {kind: await _made(client, kind) for kind in (MACHINES, SERVICES, DEPLOYMENTS)}
    own = str(found[MACHINES][0]["metadata"]["name"])
    words = {first.name: NAME, item["metadata"]["uid"]: UID, own: CLAIM}
    creations = [
        Write(path=kind.path(namespace=NAMESPACE), body=_text(_bare(kind, each), words))
        for kind, items in found.items()
        for each in items
    ]
    return Record(own, words, (*creations, _status(item, words)))


async def _made(client: Client, kind: Resource[KubeObject]) -> Sequence[Json]:
    answer: Json = await client.request(
        "GET", kind.path(), params={"labelSelector": f"{labels.WORKSPACE}={name(0)}"}
    )
    assert answer["items"], f"no {kind.kind} was made"
    found: Sequence[Json] = answer["items"]
    return found


def _bare(kind: Resource[KubeObject], item: Json) -> Json:
    """An object as it was asked for."""
    return {
        **_typed(kind),
        "metadata": {key: value for key, value in item["metadata"].items() if key in _OURS},
        "spec": {key: value for key, value in item["spec"].items() if key not in _GIVEN},
    }


def _status(item: Json, words: Mapping[str, str]) -> Write:
    metadata = {"name": NAME, "namespace": NAMESPACE}
    body = {**_typed(WORKSPACES), "metadata": metadata, "status": item["status"]}
    return Write(
        method="PATCH",
        path=WORKSPACES.path(Ref(NAMESPACE, NAME), subresource="status"),
        query="fieldManager=kaito&force=true",
        content_type=_APPLY,
        body=_text(body, words),
    )


def _typed(kind: Resource[KubeObject]) -> Mapping[str, str]:
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def _text(body: Json, words: Mapping[str, str]) -> str:
    """JSON with the first Workspace's words replaced by placeholders."""
    text = json.dumps(body)
    for word, placeholder in words.items():
        text = text.replace(word, placeholder)
    return text
