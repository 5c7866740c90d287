"""Events arrive in the background, repeated ones as a count."""

from __future__ import annotations

from kaito.kube.client import Client
from kaito.kube.events import Recorder
from kaito.kube.kinds import NODES, Node
from kaito.kube.objects import ObjectMeta
from tests.unit.kube.apiserver import Api, refusal
from tests.unit.kube.builders import FakeClock, thing
from tests.unit.kube.recorder import recording, sent, warn

DEFAULT = "/apis/events.k8s.io/v1/namespaces/default/events"


async def test_e5_an_event_names_its_object_and_its_reporter(api: Api, client: Client) -> None:
    async with recording(client) as recorder:
        warn(recorder, thing("a", uid="u1", version=7))
        await api.until(lambda: len(sent(api, "POST")) == 1)

    event = api.seen[0]
    assert event.path == DEFAULT
    assert isinstance(event.body, dict)
    assert event.body["regarding"] == {
        "apiVersion": "test.io/v1",
        "kind": "Thing",
        "name": "a",
        "namespace": "default",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert event.body["note"] == "it broke"
    assert event.body["reportingController"] == "test.io/things"
    assert event.body["reportingInstance"] == "pod-1"
    assert event.body["action"] == "Reconcile"


async def test_e1_a_repeated_event_is_counted_not_sent_again(api: Api, client: Client) -> None:
    async with recording(client) as recorder:
        for _ in range(3):
            warn(recorder, thing("a"))
        await api.until(lambda: len(sent(api, "PATCH")) == 2)

    assert len(sent(api, "POST")) == 1
    bodies = [each.body for each in sent(api, "PATCH")]
    assert [body["series"]["count"] for body in bodies if isinstance(body, dict)] == [2, 3]


async def test_e1_another_process_counts_the_same_event_on(api: Api, client: Client) -> None:
    async with recording(client) as recorder:
        warn(recorder, thing("a"))
        warn(recorder, thing("a"))
        await api.until(lambda: len(sent(api, "PATCH")) == 1)
    async with recording(client) as recorder:
        warn(recorder, thing("a"))
        await api.until(lambda: len(sent(api, "PATCH")) == 2)

    last = sent(api, "PATCH")[-1].body
    assert isinstance(last, dict)
    assert last["series"]["count"] == 3
    assert len(api.objects) == 1


async def test_e6_an_event_about_a_node_goes_to_the_default_namespace(
    api: Api, client: Client
) -> None:
    node = Node(metadata=ObjectMeta(name="n", uid="u"))

    async with recording(client) as recorder:
        recorder.event(node, NODES, type="Normal", reason="Seen", message="x" * 3000)
        await api.until(lambda: len(sent(api, "POST")) == 1)

    assert api.seen[0].path == DEFAULT
    assert isinstance(api.seen[0].body, dict)
    assert len(api.seen[0].body["note"]) == 1024


async def test_e4_a_refused_event_does_not_hold_up_the_next(api: Api, client: Client) -> None:
    api.instead.append(refusal(403, "Forbidden"))

    async with recording(client) as recorder:
        warn(recorder, thing("a"))
        warn(recorder, thing("b"))
        await api.until(lambda: len(sent(api, "POST")) == 2)

    assert len(api.objects) == 1


async def test_e3_one_object_cannot_flood_and_is_heard_again_later(
    api: Api, client: Client
) -> None:
    clock = FakeClock()
    recorder = Recorder(client, controller="test.io/things", instance="pod-1")
    recorder.clock = clock
    for number in range(100):
        warn(recorder, thing("a"), message=str(number))
    flooded = recorder._queue.qsize()
    clock.advance(300)
    warn(recorder, thing("a"), message="later")

    assert (flooded, recorder._queue.qsize()) == (25, 26)


async def test_e4_a_full_queue_drops_and_never_waits(client: Client) -> None:
    recorder = Recorder(client, controller="test.io/things", instance="pod-1")

    for number in range(2000):
        warn(recorder, thing("a", uid=str(number)))

    assert recorder._queue.qsize() == 1000


async def test_e2_many_messages_of_one_kind_become_one_event(api: Api, client: Client) -> None:
    clock = FakeClock()
    async with recording(client, clock=clock) as recorder:
        for number in range(20):
            warn(recorder, thing("a"), message=f"node {number} broke")
        warn(recorder, thing("b", uid="v"), message="node 1 broke")
        await api.until(lambda: len(sent(api, "POST")) == 11)
        combined = api.seen[9].body
        clock.advance(600)
        warn(recorder, thing("a"), message="node 99 broke")
        await api.until(lambda: len(sent(api, "POST")) == 12)

    notes = [each.body["note"] for each in sent(api, "POST") if isinstance(each.body, dict)]
    assert notes[:9] == [f"node {number} broke" for number in range(9)]
    assert isinstance(combined, dict)
    assert combined["note"] == "(combined from similar events): node 9 broke"
    assert notes[10:] == ["node 1 broke", "node 99 broke"]
    assert sent(api, "PATCH")[-1].body == {
        "series": {"count": 11, "lastObservedTime": "2026-01-02T03:20:45.000000Z"}
    }
