"""The writer: who may not act does not write, and nothing is written without need or lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from kaito.kube import metrics
from kaito.kube.client import Client
from kaito.kube.errors import Conflict
from kaito.kube.kinds import PODS, Pod, PodStatus
from kaito.kube.lease import Elector, NotLeading
from kaito.kube.manager import Manager
from kaito.kube.objects import ObjectMeta, Ref
from kaito.kube.writer import Writer
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import START

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


async def test_w2_a_write_that_turned_out_to_change_nothing_is_counted(
    client: Client, api: Api
) -> None:
    def count() -> float:
        return next(iter(metrics.WRITES_VOID.collect())).samples[0].value

    async def unchanged(_: web.Request) -> web.StreamResponse:
        return web.json_response(SEEN.model_dump(mode="json", by_alias=True, exclude_none=True))

    before = count()
    for _ in range(2):
        api.instead += [unchanged] * 2  # whose fields they are is asked first
        await Writer(client).apply(PODS, SEEN, MANIFEST)

    assert count() - before == 2


async def test_w2_a_patch_or_status_that_says_what_is_so_is_not_sent(
    client: Client, api: Api
) -> None:
    writer = Writer(client)
    seen = SEEN.model_copy(update={"status": PodStatus(phase="Running")})
    marked = ObjectMeta(**{**dict(SEEN.metadata), "labels": {"a": "b", "c": "d"}})

    for written in (
        await writer.apply_status(PODS, seen, {"phase": "Running"}),
        await writer.patch(
            PODS, seen.model_copy(update={"metadata": marked}), {"metadata": {"labels": {"a": "b"}}}
        ),
    ):
        assert written.ref == SEEN.ref

    assert api.seen == []


async def test_f2_no_finalizer_is_stored_on_what_is_being_deleted(client: Client, api: Api) -> None:
    metadata = ObjectMeta(**{**dict(SEEN.metadata), "deletion_timestamp": START})
    going = SEEN.model_copy(update={"metadata": metadata})

    with pytest.raises(Conflict):
        await Writer(client).add_finalizer(PODS, going, "f")
    await Writer(client).delete(PODS, going)

    assert api.seen == []


async def test_y6_nothing_is_written_over_what_was_never_read(client: Client, api: Api) -> None:
    unread = Pod(metadata=ObjectMeta(name="p", namespace="n"))

    with pytest.raises(ValueError, match="never read"):
        await Writer(client).apply(PODS, unread, MANIFEST)
    with pytest.raises(ValueError, match="computed name"):
        await Writer(client).create(PODS, {"metadata": {"generateName": "p-"}}, owner_uid="o")

    assert api.seen == []
