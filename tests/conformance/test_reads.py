"""Reads: whole lists, pages, selectors, and watches."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaito.api.machine import MACHINES
from kaito.kube.answers import failure_of
from kaito.kube.client import Client
from kaito.kube.errors import Expired, NotFound
from kaito.kube.objects import Ref
from tests.conformance.conftest import Server
from tests.conformance.objects import machine, name, settings
from tests.virtual.kinds import CONFIG_MAPS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


class Heard:
    """The events of a watch, as they come."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines

    async def next(self, *, bookmarks: bool = False) -> tuple[str, Any]:
        """Type and object of the next event."""
        async with asyncio.timeout(60):
            while True:
                event = json.loads(await anext(self._lines))
                if bookmarks or event["type"] != "BOOKMARK":
                    return event["type"], event["object"]


@asynccontextmanager
async def watching(client: Client, group: str, **params: str) -> AsyncIterator[Heard]:
    """A watch of the Machines whose label `test` is `group`."""
    query = {"watch": "true", "labelSelector": f"test={group}", "timeoutSeconds": "90", **params}
    async with client.stream(
        MACHINES.path(), params=query, idle_seconds=90, total_seconds=90
    ) as lines:
        yield Heard(lines)


async def test_a_path_that_nobody_serves_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        await client.request("GET", "/apis/karpenter.sh/v9/machines")


async def test_a_list_goes_by_name_and_carries_a_version(client: Client) -> None:
    group = name()
    for each in ("c", "a", "b"):
        last = await client.create(MACHINES, machine(f"{group}{each}", labels={"test": group}))

    found = await client.listing(MACHINES, params={"labelSelector": f"test={group}"})

    assert [each.metadata.name for each in found.items] == [f"{group}{each}" for each in "abc"]
    assert int(found.resource_version) >= int(last.metadata.resource_version)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("x=1", "a"), ("x!=1", "bc"), ("x in (1,2)", "ab"), ("x", "ab"), ("!x", "c")],
)
async def test_r18_label_selectors_choose(client: Client, selector: str, expected: str) -> None:
    group = name()
    for each, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {})):
        await client.create(MACHINES, machine(group + each, labels={"test": group, **labels}))

    found = await client.list(MACHINES, labels=f"test={group},{selector}")

    assert "".join(each.metadata.name[-1] for each in found) == expected


async def test_r18_a_field_selector_chooses_by_name(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))

    found = await client.list(MACHINES, fields=f"metadata.name={made.metadata.name}")

    assert [each.metadata.uid for each in found] == [made.metadata.uid]


async def test_r4_pages_show_the_state_of_the_first_one(client: Client) -> None:
    group = name()
    for number in range(5):
        item = settings(f"{group}{number}")
        item["metadata"]["labels"] = {"test": group}
        await client.create(CONFIG_MAPS, item)
    path = CONFIG_MAPS.path(namespace="default")
    query = {"labelSelector": f"test={group}", "limit": "2"}

    first: Any = await client.request("GET", path, params=query)
    await client.delete(CONFIG_MAPS, Ref("default", f"{group}3"))
    token = first["metadata"]["continue"]
    second: Any = await client.request("GET", path, params={**query, "continue": token})

    assert [each["metadata"]["name"][-1] for each in first["items"]] == ["0", "1"]
    assert [each["metadata"]["name"][-1] for each in second["items"]] == ["2", "3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_r2_a_version_that_is_not_there_yet_is_told_as_expired(client: Client) -> None:
    ahead = {"resourceVersion": "900000000", "resourceVersionMatch": "NotOlderThan"}

    with pytest.raises(Expired):
        await client.request("GET", MACHINES.path(), params=ahead)


async def test_i5_a_watch_tells_the_life_of_an_object_in_order(client: Client) -> None:
    group = name()
    start = await client.listing(MACHINES, params={})
    async with watching(client, group, resourceVersion=start.resource_version) as heard:
        item = machine(name(), labels={"test": group}, finalizers=["a.io/x"])
        made = await client.create(MACHINES, item)
        await client.delete(MACHINES, made.ref)
        await client.merge_patch(MACHINES, made.ref, {"metadata": {"finalizers": []}})
        events = [await heard.next() for _ in range(3)]

    versions = [int(item["metadata"]["resourceVersion"]) for _, item in events]
    assert [type for type, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert versions == sorted(set(versions))
    assert "deletionTimestamp" in events[1][1]["metadata"]
    assert events[2][1]["metadata"]["finalizers"] == ["a.io/x"]


async def test_r7_a_watch_begins_right_after_its_version(client: Client) -> None:
    group = name()
    made = await client.create(MACHINES, machine(name(), labels={"test": group}))
    patch = {"metadata": {"labels": {"more": "1"}}}
    after = await client.merge_patch(MACHINES, made.ref, patch)

    version = made.metadata.resource_version
    async with watching(client, group, resourceVersion=version) as heard:
        type, item = await heard.next()

    assert type == "MODIFIED"
    assert item["metadata"]["resourceVersion"] == after.metadata.resource_version


async def test_a_selector_turns_changes_of_labels_into_coming_and_going(client: Client) -> None:
    group = name()
    made = await client.create(MACHINES, machine(name()))
    version = made.metadata.resource_version
    async with watching(client, group, resourceVersion=version) as heard:
        await client.merge_patch(MACHINES, made.ref, {"metadata": {"labels": {"test": group}}})
        gone = await client.merge_patch(MACHINES, made.ref, {"metadata": {"labels": None}})
        events = [await heard.next() for _ in range(2)]

    assert [type for type, _ in events] == ["ADDED", "DELETED"]
    assert events[1][1]["metadata"]["resourceVersion"] == gone.metadata.resource_version
    assert events[1][1]["metadata"]["labels"] == {"test": group}


async def test_r13_a_watch_list_tells_the_state_and_its_end(client: Client) -> None:
    group = name()
    names = sorted([name(), name()])
    for each in names:
        await client.create(MACHINES, machine(each, labels={"test": group}))
    params = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with watching(client, group, **params) as heard:
        state = [await heard.next(bookmarks=True) for _ in range(2)]
        mark, at = await heard.next(bookmarks=True)
        later = await client.create(MACHINES, machine(name(), labels={"test": group}))
        type, item = await heard.next()

    assert sorted(each["metadata"]["name"] for _, each in state) == names
    assert mark == "BOOKMARK"
    assert at["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    assert int(at["metadata"]["resourceVersion"]) < int(later.metadata.resource_version)
    assert (type, item["metadata"]["name"]) == ("ADDED", later.metadata.name)


async def test_a_watch_ends_by_itself_when_its_time_is_over(client: Client) -> None:
    start = await client.listing(MACHINES, params={})
    params = {"resourceVersion": start.resource_version, "timeoutSeconds": "1"}
    async with watching(client, name(), **params) as heard:
        with pytest.raises(StopAsyncIteration):
            await heard.next()


async def test_r9_a_watch_of_a_forgotten_version_is_told_so(client: Client) -> None:
    with pytest.raises(Expired):
        await _first_event(client, "1")


async def test_r4_pages_end_when_their_version_is_forgotten(server: Server, client: Client) -> None:
    group = name()
    for number in range(3):
        await client.create(MACHINES, machine(f"{group}{number}", labels={"test": group}))
    query = {"labelSelector": f"test={group}", "limit": "1"}
    first: Any = await client.request("GET", MACHINES.path(), params=query)

    await server.compact(int(first["metadata"]["resourceVersion"]))
    said = json.loads(urlsafe_b64decode(first["metadata"]["continue"] + "==="))
    old = urlsafe_b64encode(json.dumps({**said, "rv": 1}).encode()).decode().rstrip("=")
    with pytest.raises(Expired):
        await client.request("GET", MACHINES.path(), params={**query, "continue": old})


async def _first_event(client: Client, version: str) -> None:
    """Watch; an error event is raised as the client's readers do."""
    async with watching(client, name(), resourceVersion=version) as heard:
        type, item = await heard.next()
    if type == "ERROR":
        raise failure_of(item)
