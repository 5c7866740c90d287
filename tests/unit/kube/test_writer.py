"""The writer: who may not act does not write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from kaito.kube.client import Client
from kaito.kube.kinds import PODS, Pod
from kaito.kube.lease import Elector, NotLeading
from kaito.kube.manager import Manager
from kaito.kube.objects import ObjectMeta, Ref
from kaito.kube.writer import Writer
from tests.unit.kube.apiserver import Api

SEEN = Pod(metadata=ObjectMeta(name="p", namespace="n", uid="u", resource_version="7"))
MANIFEST = {"metadata": {"name": "p", "namespace": "n"}}
WRITES: dict[str, Callable[[Writer], Awaitable[object]]] = {
    "create": lambda writer: writer.create(PODS, MANIFEST, owner_uid="o"),
    "apply": lambda writer: writer.apply(PODS, SEEN, MANIFEST),
    "apply_status": lambda writer: writer.apply_status(PODS, SEEN, {"phase": "Running"}),
    "patch": lambda writer: writer.patch(PODS, SEEN, {"metadata": {"labels": {"a": "b"}}}),
    "delete": lambda writer: writer.delete(PODS, SEEN),
    "add_finalizer": lambda writer: writer.add_finalizer(PODS, SEEN, "f"),
    "evict": lambda writer: writer.evict(SEEN),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_process_that_does_not_lead_sends_no_write(
    write: Callable[[Writer], Awaitable[object]], client: Client, api: Api
) -> None:
    elector = Elector(client, Ref("n", "lease"), "us")
    Manager(client, elector=elector, host="127.0.0.1", health_port=0, metrics_port=0)

    with pytest.raises(NotLeading):
        await write(Writer(client))

    assert api.seen == []


async def test_a_process_that_takes_no_turns_may_always_write(client: Client, api: Api) -> None:
    Manager(client, elector=None, host="127.0.0.1", health_port=0, metrics_port=0)

    await Writer(client).create(PODS, MANIFEST, owner_uid="o")

    assert [each.method for each in api.seen] == ["POST"]
