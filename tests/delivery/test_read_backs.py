"""Rights to read one object: what a process does when a name of its own is taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES
from kaito.kube.client import Client
from kaito.kube.events import EVENTS, Recorder
from kaito.kube.kinds import DEPLOYMENTS, JOBS, PODS, SERVICES, STATEFULSETS
from kaito.kube.objects import KubeObject, ObjectMeta, Ref
from kaito.kube.resource import Resource
from kaito.kube.writer import Writer
from tests.bystander import Bystander, until
from tests.claims import MACHINE, NODE_CLAIM
from tests.delivery.overlays import MANIFESTS, emptied, is_bare, is_served
from tests.excused import AFTER_A_LOSS

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]

OVERLAY = str(MANIFESTS / "overlays" / "local")
OWNER = "0b5e7d6e-6f0a-4d38-9d3c-2f3a4b5c6d7e"
OWNED = {
    "name": "taken",
    "namespace": "default",
    "ownerReferences": [
        {
            "apiVersion": "kaito.sh/v1beta1",
            "kind": "Workspace",
            "name": "gone",
            "uid": OWNER,
            "controller": True,
        }
    ],
}
CONTAINERS = {"containers": [{"name": "w", "image": "w:1"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": CONTAINERS}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
CREATED: dict[Resource[Any], dict[str, object]] = {
    DEPLOYMENTS: {"spec": SELECTED},
    STATEFULSETS: {"spec": {**SELECTED, "serviceName": "w"}},
    JOBS: {"spec": {"template": {"spec": {**CONTAINERS, "restartPolicy": "Never"}}}},
    PODS: {"spec": CONTAINERS},
    SERVICES: {"spec": {"ports": [{"port": 80}]}},
    MACHINES: dict(MACHINE.claim("taken")),
    NODECLAIMS: dict(NODE_CLAIM.claim("taken")),
}
"""Every Kind that the workspace controller creates, in its smallest form."""

SignedIn = Callable[[str], AbstractAsyncContextManager[Client]]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def granted(empty: Bystander) -> AsyncIterator[Bystander]:
    """The server with our roles, and with the account that pods have by default."""
    for words in (
        ("apply", "-k", OVERLAY),
        ("create", "serviceaccount", "default", "--namespace=default"),
    ):
        done = await empty.kubectl(*words)
        assert done.code == 0, done.errors
    await until("the Kinds to be served", lambda: is_served(empty))
    yield empty
    for words in (
        ("delete", "deployments,statefulsets,jobs,pods,services", "taken", "--ignore-not-found"),
        ("delete", "machines,nodeclaims", "taken", "--ignore-not-found"),
        ("delete", "serviceaccount", "default", "--namespace=default"),
        ("delete", "-k", OVERLAY, "--wait=false"),
    ):
        done = await empty.kubectl(*words)
        assert done.code == 0, done.errors
    await until("the namespaces to be gone", lambda: emptied(empty))
    await until("the definitions to be gone", lambda: is_bare(empty))


@pytest.fixture
def signed_in(granted: Bystander, tmp_path: Path) -> SignedIn:
    """Makes a client with the token of one of our accounts."""

    @asynccontextmanager
    async def client(account: str) -> AsyncIterator[Client]:
        token = await granted.kubectl("create", "token", account, "--namespace=kaito-system")
        assert token.code == 0, token.errors
        path = tmp_path / account
        path.write_text(json.dumps(kubeconfig(granted, token.output.strip())))
        made = await Client.connect(user_agent="t", field_manager="t", kubeconfig=str(path))
        try:
            yield made
        finally:
            await made.close()

    return client


def kubeconfig(server: Bystander, token: str) -> dict[str, object]:
    """Of one account."""
    layout = server.layout
    cluster = {"server": layout.api_url, "certificate-authority": str(layout.ca_certificate)}
    return {
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": token}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }


@pytest.mark.parametrize("resource", CREATED, ids=lambda resource: resource.plural)
async def test_a_name_that_is_taken_by_our_own_object_is_read_back(
    granted: Bystander, signed_in: SignedIn, resource: Resource[Any]
) -> None:
    wire = {"apiVersion": resource.api_version, "kind": resource.kind, **CREATED[resource]}
    metadata = {**OWNED, "namespace": "default" if resource.namespaced else ""}
    metadata = {key: value for key, value in metadata.items() if value}
    there = await granted.kubectl(
        "create", "-f", "-", stdin=json.dumps({**wire, "metadata": metadata})
    )
    assert there.code == 0, there.errors

    async with signed_in("kaito") as client:
        made = await Writer(client).create(
            resource, {**wire, "metadata": metadata}, owner_uid=OWNER
        )

    assert made is None


@pytest.mark.parametrize("account", ["kaito", "provisioner"])
async def test_an_event_that_is_there_is_read_back_and_counted_up(
    granted: Bystander, signed_in: SignedIn, account: str
) -> None:
    about = KubeObject(metadata=ObjectMeta(name=f"of-{account}", namespace="default", uid=account))

    async with signed_in(account) as client:
        for seen in (told, counted):
            # A process that was started anew knows nothing of what it has said before.
            recorder = Recorder(client, controller=account, instance="one")
            recorder.event(about, PODS, type="Warning", reason="Lost", message="it was lost")
            sending = asyncio.create_task(recorder.run())
            assert await until("it to be told", partial(seen, granted, about))
            sending.cancel()


async def told(server: Bystander, about: KubeObject, *counts: int | None) -> bool:
    """Whether there is one Event about an object, by default one that was seen once."""
    found = await server.items(EVENTS.path(namespace="default"))
    mine = [each for each in found if each["regarding"].get("name") == about.metadata.name]
    return [each.get("series", {}).get("count") for each in mine] == [*(counts or (None,))]


async def counted(server: Bystander, about: KubeObject) -> bool:
    """Whether there is one Event about an object, which was seen twice."""
    return await told(server, about, 2)


async def test_a_workspace_is_looked_for_before_what_it_left_goes(signed_in: SignedIn) -> None:
    async with signed_in("kaito") as client:
        assert await client.get(WORKSPACES, Ref("default", "gone")) is None


async def test_these_are_all_that_are_excused() -> None:
    kinds = (*CREATED, EVENTS, WORKSPACES)
    names = {f"{each.plural}.{each.group}".rstrip(".") for each in kinds}

    assert {right.resource for right in AFTER_A_LOSS if right.account == "kaito"} == names
    assert {right.resource for right in AFTER_A_LOSS if right.account == "provisioner"} == {
        "events.events.k8s.io"
    }
