"""Events are read of pods that come no further, of no others, and not all the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.witness import Witness
from kaito.kube.kinds import Pod, StatefulSet
from tests.unit.controllers.workspace.bench import Bench
from tests.unit.controllers.workspace.worlds import NOW, observed
from tests.unit.kube.apiserver import Answer, refusal

MISSING = 'MountVolume.SetUp failed for volume "settings" : configmap "phi" not found'


def waiting(*, has_sandbox: bool = False) -> Pod:
    ready = {"type": "PodReadyToStartContainers", "status": str(has_sandbox)}
    return Pod.model_validate(
        {
            "metadata": {"name": "p", "namespace": "default", "uid": "u1"},
            "status": {"phase": "Pending", "startTime": NOW.isoformat(), "conditions": [ready]},
        }
    )


def look(at: datetime, pod: Pod | None = None) -> Observed:
    return replace(observed(pods=(pod or waiting(),)), now=at)


def after(seconds: float) -> Observed:
    return look(NOW + timedelta(seconds=seconds))


def events(*notes: str, reason: str = "FailedMount") -> Answer:
    found = [
        {
            "metadata": {"name": f"e{number}", "namespace": "default", "resourceVersion": "1"},
            "reason": reason,
            "note": note,
            "eventTime": NOW.isoformat(),
        }
        for number, note in enumerate(notes)
    ]
    listing = {"metadata": {"resourceVersion": "9"}, "items": found}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(listing)

    return answer


async def test_a_pod_that_comes_no_further_is_asked_about(bench: Bench) -> None:
    bench.api.instead.append(events(MISSING))

    seen = await Witness().completed(after(5), bench.client)

    assert seen.complaints == {"p": MISSING}
    (asked,) = bench.api.seen
    assert asked.path == "/apis/events.k8s.io/v1/namespaces/default/events"
    assert asked.query["fieldSelector"] == "regarding.uid=u1,type=Warning"


@pytest.mark.parametrize(
    "seen",
    [after(1), look(NOW + timedelta(hours=1), waiting(has_sandbox=True))],
    ids=["it has just come", "it pulls an image"],
)
async def test_of_any_other_pod_no_event_is_read(bench: Bench, seen: Observed) -> None:
    assert await Witness().completed(seen, bench.client) is seen
    assert bench.api.seen == []


async def test_what_was_said_holds_for_a_while(bench: Bench) -> None:
    witness = Witness()
    bench.api.instead.extend([events(MISSING), events()])

    said = [
        (await witness.completed(after(seconds), bench.client)).complaints
        for seconds in (5, 6, 19, 20)
    ]

    assert said == [{"p": MISSING}] * 3 + [{}]
    assert len(bench.api.seen) == 2


async def test_what_has_been_stuck_for_long_is_asked_about_less_often(bench: Bench) -> None:
    witness, asked, at = Witness(), 0, 5.0
    while at < 3600:
        bench.api.instead.append(events(MISSING))
        seen = after(at)
        assert (await witness.completed(seen, bench.client)).complaints == {"p": MISSING}
        asked += 1
        at += witness.again_seconds(seen) or 0

    assert len(bench.api.seen) == asked
    assert 15 < asked < 40, "every 15 seconds would be 240 times"


async def test_words_that_were_heard_stand_while_events_cannot_be_read(bench: Bench) -> None:
    witness = Witness()
    bench.api.instead.extend([events(MISSING), refusal(500, "InternalError")])

    said = [
        (await witness.completed(after(seconds), bench.client)).complaints for seconds in (5, 20)
    ]

    assert said == [{"p": MISSING}] * 2
    assert len(bench.api.seen) == 2


@pytest.mark.parametrize(("seconds", "again"), [(1, 3), (5, 15)])
def test_the_next_look_comes_by_itself(seconds: float, again: float) -> None:
    assert Witness().again_seconds(after(seconds)) == again


def test_pods_that_have_their_sandbox_need_no_further_look() -> None:
    assert Witness().again_seconds(look(NOW, waiting(has_sandbox=True))) is None


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (500, "InternalError")])
async def test_events_that_cannot_be_read_cost_the_words_and_nothing_else(
    bench: Bench, status: int, reason: str
) -> None:
    bench.api.instead.append(refusal(status, reason))

    assert (await Witness().completed(after(5), bench.client)).complaints == {}


async def test_of_a_stateful_set_without_a_pod_it_is_told_why_none_can_be_made(
    bench: Bench,
) -> None:
    refused = 'create Pod w-0 in StatefulSet w failed error: pods "w-0" is forbidden: no quota'
    metadata = {"name": "w", "namespace": "default", "uid": "g", "creationTimestamp": NOW}
    podless = StatefulSet.model_validate({"metadata": metadata})
    young, old = (
        replace(observed(stateful_set=podless), now=NOW + timedelta(seconds=seconds))
        for seconds in (9, 10)
    )
    bench.api.instead.append(events(refused, reason="FailedCreate"))

    assert (await Witness().completed(young, bench.client)).complaints == {}
    assert (await Witness().completed(old, bench.client)).complaints == {"w": refused}
    assert [asked.query["fieldSelector"][:15] for asked in bench.api.seen] == ["regarding.uid=g"]
    assert Witness().again_seconds(old) == 15
