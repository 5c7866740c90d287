"""Reading one's own writes: what a controller may look at, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.errors import Conflict
from kaito.kube.gate import Gate, Write, note, noted
from kaito.kube.informer import Informer
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.resource import Resource
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import THINGS, Thing, path, ref, thing

KEY = ref("key")
OTHERS = Resource("test.io", "v1", "others", "Other", Thing)


class Frozen:
    """A cache that moves when it is told to."""

    resource = THINGS
    name = "things"

    def __init__(self, version: str, *, labels: str = "") -> None:
        self.version = version
        self.labels = labels
        self.objects: dict[Ref, Thing] = {}

    def known(self, ref: Ref) -> Thing | None:
        """What it knows."""
        return self.objects.get(ref)


def gate_over(cache: Frozen) -> Gate:
    """A gate that asks one cache."""
    gate = Gate()
    gate.watch(cache)
    return gate


@pytest.mark.parametrize(
    ("known", "written", "is_open"),
    [
        ("9", "10", False),
        ("10", "10", True),
        ("11", "10", True),
        ("99", "100", False),
        ("100", "99", True),
        ("", "10", True),
    ],
)
def test_y4_a_key_waits_until_the_cache_has_passed_its_write(
    known: str, written: str, *, is_open: bool
) -> None:
    gate = gate_over(Frozen(known))
    gate.wrote(KEY, [Write(THINGS, ref("a"), "u", written)])

    assert gate.is_open(KEY) == is_open
    assert len(gate) == (0 if is_open else 1)


@pytest.mark.parametrize(
    ("selector", "carried", "is_open"),
    [
        ("team/mark", {"team/mark": "x"}, False),
        ("team/mark", {"team/other": "x"}, True),
        ("team/mark", {}, True),
        ("team/mark", None, False),
        ("", {"team/other": "x"}, False),
        ("team/mark=y", {"team/other": "x"}, False),
        ("!team/mark", {"team/other": "x"}, False),
    ],
)
def test_a_key_does_not_wait_for_a_cache_that_never_hears_of_its_write(
    selector: str, carried: dict[str, str] | None, *, is_open: bool
) -> None:
    gate = gate_over(Frozen("1", labels=selector))
    gate.wrote(KEY, [Write(THINGS, ref("a"), "u", "50", carried)])

    assert gate.is_open(KEY) == is_open


@pytest.mark.parametrize(
    ("marked", "is_open"), [("team/mark", False), ("team/other", True)], ids=["its own", "another"]
)
async def test_a_key_does_not_wait_for_a_cache_that_never_hears_of_its_deletion(
    client: Client, api: Api, marked: str, *, is_open: bool
) -> None:
    going = thing("a", uid="u", version=50).model_dump(by_alias=True, mode="json")
    going["metadata"] |= {"labels": {marked: "x"}}

    async def ends_later(_: web.Request) -> web.StreamResponse:
        return web.json_response(going)

    api.instead.append(ends_later)
    gate = gate_over(Frozen("1", labels="team/mark"))
    with noted() as notes:
        await client.delete(THINGS, ref("a"), uid="u")
    gate.wrote(KEY, notes)

    assert gate.is_open(KEY) == is_open


def test_y4_other_keys_and_other_resources_do_not_wait() -> None:
    gate = gate_over(Frozen("1"))
    gate.wrote(KEY, [Write(OTHERS, ref("a"), "u", "50")])
    gate.wrote(ref("second"), [Write(THINGS, ref("a"), "u", "50")])

    assert gate.is_open(KEY)
    assert gate.is_open(ref("third"))
    assert not gate.is_open(ref("second"))


def test_y4_a_deletion_is_seen_when_the_object_is_gone_another_or_going() -> None:
    cache = Frozen("1")
    gate = gate_over(cache)
    cache.objects[ref("a")] = thing("a", uid="u")
    gate.wrote(KEY, [Write(THINGS, ref("a"), "u", "")])

    before = gate.is_open(KEY)
    cache.objects[ref("a")] = thing("a", uid="v")

    assert (before, gate.is_open(KEY)) == (False, True)


def test_y4_nothing_is_kept_of_a_key_that_has_passed() -> None:
    cache = Frozen("1")
    gate = gate_over(cache)
    for number in range(100):
        gate.wrote(ref(str(number)), [Write(THINGS, ref("a"), "u", "5")])
        gate.wait_seconds(ref(str(number)))
    cache.version = "5"

    assert all(gate.is_open(ref(str(number))) for number in range(100))
    assert (len(gate), len(gate._waits)) == (0, 0)


def test_y4_waits_grow_up_to_a_second_and_a_half() -> None:
    gate = gate_over(Frozen("1"))

    waits = [gate.wait_seconds(KEY) for _ in range(20)]

    assert 0.02 <= waits[0] < 0.03
    assert all(1.0 <= wait < 1.5 for wait in waits[6:])


async def test_y4_writes_of_tasks_that_a_reconcile_starts_count_and_those_outside_do_not() -> None:
    write = Write(THINGS, ref("a"), "u", "5")

    async def within() -> None:
        note(write)

    note(Write(THINGS, ref("outside"), "u", "5"))
    with noted() as notes:
        async with asyncio.TaskGroup() as group:
            group.create_task(within())
    note(Write(THINGS, ref("after"), "u", "5"))

    assert list(notes) == [write]


@asynccontextmanager
async def working(
    api: Api, informer: Informer[Thing], controller: Controller
) -> AsyncIterator[None]:
    """An informer that watches, and then a controller at work."""
    tasks = [asyncio.create_task(informer.run())]
    await api.until_watched(1)
    tasks.append(asyncio.create_task(controller.run()))
    try:
        yield
    finally:
        controller.stop()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


VERBS: dict[str, Callable[[Client, Thing], Awaitable[object]]] = {
    "apply": lambda client, each: client.apply(THINGS, wire(each, 2)),
    "merge_patch": lambda client, each: client.merge_patch(THINGS, each.ref, wire(each, 2)),
    "replace": lambda client, each: client.replace(THINGS, wire(each, 2, locked=True)),
    "create": lambda client, _: client.create(THINGS, wire(thing("made"), 2)),
    "delete": lambda client, each: client.delete(THINGS, each.ref, uid=each.metadata.uid),
}


def wire(each: Thing, size: int, *, locked: bool = False) -> dict[str, object]:
    """A Thing of another size, on its way."""
    metadata = {"name": each.metadata.name, "namespace": each.metadata.namespace}
    lock = {"resourceVersion": each.metadata.resource_version} if locked else {}
    return {"metadata": metadata | lock, "spec": {"size": size}}


@pytest.mark.parametrize("verb", VERBS)
async def test_y4_no_reconcile_runs_on_a_cache_older_than_the_last_write(
    api: Api, client: Client, verb: str
) -> None:
    api.put(path("a"), spec={"size": 1})
    informer = Informer(client, THINGS)
    looks: list[int] = []
    again = asyncio.Event()

    async def reconcile(key: Ref) -> Outcome:
        looks.append(int(informer.version))
        if len(looks) > 1:
            again.set()
            return DONE
        api.muted = True
        found = informer.store.get(ref("a"))
        assert found is not None
        await VERBS[verb](client, found)
        for _ in range(5):
            controller.queue.add(key)
        return DONE

    controller = Controller("gate", reconcile)
    controller.watch(informer, lambda _: [KEY])
    async with working(api, informer, controller), asyncio.timeout(30):
        await deferred(controller)
        count = len(looks)
        is_busy = controller.is_busy(KEY)
        api.muted = False
        api.end_watches()
        await again.wait()

    assert (count, is_busy) == (1, True)
    assert looks == [2, 3]


async def deferred(controller: Controller) -> None:
    """Wait until a reconcile has been put off three times."""
    put_off = asyncio.Event()
    wait_seconds, waits = controller._gate.wait_seconds, iter(range(3))

    def counted(key: Ref) -> float:
        if next(waits, None) is None:
            put_off.set()
        return wait_seconds(key)

    controller._gate.wait_seconds = counted  # type: ignore[method-assign]  # to hear of it
    controller.queue.add(KEY)
    await put_off.wait()


async def test_y6_a_delete_over_another_version_is_a_conflict(api: Api, client: Client) -> None:
    api.put(path("a"), spec={"size": 1})
    found = await client.get(THINGS, ref("a"))
    assert found is not None
    api.put(path("a"), spec={"size": 2})

    with pytest.raises(Conflict):
        await client.delete(
            THINGS,
            found.ref,
            uid=found.metadata.uid,
            resource_version=found.metadata.resource_version,
        )

    assert path("a") in api.objects
