"""What readers and handlers of a store are promised, whatever the link does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.errors import NotFound
from kaito.kube.informer import Informer
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.reflector import Patience, Selection
from kaito.kube.resource import Resource
from kaito.kube.workqueue import LOW, NORMAL
from tests import realserver
from tests.bystander import LIMIT_SECONDS
from tests.engine.maps import CONFIG_MAPS, ConfigMap, Maps, following, running, values
from tests.engine.proxy import Proxy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_i1_i11_a_handler_finds_its_change_in_the_store_and_in_the_index(
    client: Client, maps: Maps
) -> None:
    found: list[tuple[object, object]] = []
    selection = Selection("default", maps.labels)
    by_value = {"value": lambda each: [each.data["value"]]}
    informer = Informer(client, CONFIG_MAPS, selection=selection, indexes=by_value)

    def look(old: ConfigMap | None, new: ConfigMap | None) -> None:
        gone = () if old is None else informer.store.by_index("value", old.data["value"])
        here = () if new is None else informer.store.by_index("value", new.data["value"])
        present = informer.store.get((new or old or ConfigMap()).ref)
        found.append((present is new and new in (*here, None), old not in gone))

    informer.on_change(look)
    await maps.create("a", "1")
    async with running(informer) as seen:
        await seen.until_synced()
        await maps.change("a", "2")
        await maps.delete("a")
        await seen.until({})

    assert found == [(True, True)] * 3


async def test_i3_a_deletion_that_nobody_saw_is_told_with_the_last_known_state(
    layout: Layout, link: Proxy, client: Client, maps: Maps
) -> None:
    for name in ("kept", "gone"):
        await maps.create(name, "7")

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.change("gone", "8")
        await maps.delete("gone")
        last = await maps.change("kept", "8")
        await realserver.compact(layout, last.metadata.resource_version)
        link.restore()
        await seen.until(await maps.state())

    assert sorted(seen.changes[2:], key=str) == [("gone", "7", None), ("kept", "7", "8")]


@pytest.mark.parametrize("forgotten", [False, True], ids=["replayed", "listed"])
async def test_i4_an_object_that_was_deleted_and_made_again_is_told_as_two(
    layout: Layout, link: Proxy, client: Client, maps: Maps, *, forgotten: bool
) -> None:
    first = await maps.create("a", "7")

    async with following(client, maps) as seen:
        link.cut_off()
        await maps.delete("a")
        second = await maps.create("a", "7")
        if forgotten:
            await realserver.compact(layout, second.metadata.resource_version)
        link.restore()
        await seen.until_told(3)
        kept = seen.informer.store.get(first.ref)

    assert seen.changes == [("a", None, "7"), ("a", "7", None), ("a", None, "7")]
    assert kept is not None
    assert kept.metadata.uid == second.metadata.uid != first.metadata.uid
    assert len(link.lists) == (2 if forgotten else 1)


async def test_i6_a_handler_that_raises_costs_nobody_a_change(
    link: Proxy, client: Client, maps: Maps
) -> None:
    def broken(_old: ConfigMap | None, _new: ConfigMap | None) -> None:
        raise RuntimeError("a bug")

    informer = Informer(client, CONFIG_MAPS, selection=Selection("default", maps.labels))
    informer.on_change(broken)
    await maps.create("a")
    async with running(informer) as seen:
        await seen.until_synced()
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert seen.told == {"a": "2"}
    assert len(link.seen) == 1


async def test_i7_who_comes_late_is_told_of_everything_as_of_less_urgency(
    client: Client, maps: Maps
) -> None:
    for name in ("a", "b"):
        await maps.create(name)
    keys: list[tuple[str, int | None]] = []

    def add(key: Ref, *, priority: int | None = None) -> None:
        keys.append((key.name.rpartition("-")[2], priority))

    async with following(client, maps) as seen:
        seen.informer.watch(lambda each: [each.ref], add)
        at_once = list(keys)
        await maps.change("b", "2")
        await seen.until(await maps.state())

    assert at_once == [("a", LOW), ("b", LOW)]
    assert keys[2:] == [("b", NORMAL)]


async def test_i9_an_object_from_a_store_cannot_be_changed(client: Client, maps: Maps) -> None:
    await maps.create("a")

    async with following(client, maps) as seen:
        kept = seen.informer.store.list()[0]

    with pytest.raises(ValidationError, match="frozen"):
        kept.metadata = kept.metadata  # type: ignore[misc]  # mypy knows it, too
    with pytest.raises(ValidationError, match="frozen"):
        kept.metadata.name = "b"  # type: ignore[misc]  # mypy knows it, too


async def test_r16_a_store_never_goes_back_in_time(link: Proxy, client: Client, maps: Maps) -> None:
    old = await maps.create("a")
    new = await maps.change("a", "2")

    async with following(client, maps) as seen:
        seen.informer.changed(old)
        kept = seen.informer.store.get(old.ref)

    assert int(old.metadata.resource_version) < int(new.metadata.resource_version)
    assert kept is not None
    assert values((kept,)) == await maps.state()
    assert seen.changes == [("a", None, "2")]


class Widget(KubeObject):
    """An object of a Kind that is defined late."""


async def test_r19_an_optional_kind_is_empty_until_its_definition_comes_and_once_it_goes(
    client: Client, maps: Maps
) -> None:
    group = f"{maps.group}.test"
    widgets = Resource(group, "v1", "widgets", "Widget", Widget, namespaced=False)
    informer = Informer(client, widgets, selection=Selection(optional=True))
    informer.patience = Patience(absent_seconds=0.05)
    changes: asyncio.Queue[tuple[bool, bool]] = asyncio.Queue()
    informer.on_change(lambda old, new: changes.put_nowait((bool(old), bool(new))))
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(LIMIT_SECONDS):
        await informer.synced.wait()
        absent = (informer.trouble, len(informer.store))
        await maps.client.request("POST", realserver.DEFINITIONS, body=definition(group))
        await until_made(maps.client, widgets)
        came = await changes.get()
        here = [each.metadata.name for each in informer.store.list()]
        await maps.client.request("DELETE", f"{realserver.DEFINITIONS}/widgets.{group}")
        went = await changes.get()
    task.cancel()

    assert (absent, here) == (("", 0), ["one"])
    assert (came, went) == ((False, True), (True, False))
    assert (informer.trouble, len(informer.store)) == ("", 0)


def definition(group: str) -> dict[str, Any]:
    """A CustomResourceDefinition of Widgets."""
    names = {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Cluster", "names": names, "versions": [version]},
    }


async def until_made(client: Client, widgets: Resource[Widget]) -> None:
    """Create one as soon as the Kind is served."""
    while True:
        try:
            await client.create(widgets, {"metadata": {"name": "one"}})
        except NotFound:
            continue
        return
