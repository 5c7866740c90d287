"""L1 to L8: never two leaders, whatever the network does to the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from kaito.kube.client import Client
from kaito.kube.kinds import LEASES, Lease
from kaito.kube.lease import Elector, NotLeading
from kaito.kube.objects import Ref
from tests.unit.kube.apiserver import Answer, Api, Seen, refusal
from tests.unit.kube.builders import Dice, FakeClock

REF = Ref("default", "kaito")
PATH = "/apis/coordination.k8s.io/v1/namespaces/default/leases/kaito"


def elector(client: Client, identity: str, clock: FakeClock) -> Elector:
    """One rival: 15, 10 and 2 seconds on the fake clock."""
    each = Elector(client, REF, identity)
    each.clock = clock
    each.watchdog = None
    return each


async def stored(client: Client) -> Lease:
    """The lease as the API server has it."""
    lease = await client.get(LEASES, REF)
    assert lease is not None
    return lease


async def test_l5_a_free_lease_is_taken_with_hold_time_and_name(client: Client) -> None:
    each = elector(client, "a", FakeClock())

    await each.acquire()

    spec = (await stored(client)).spec
    assert each.is_leader
    each.guard()
    assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == (
        "a",
        15,
        0,
    )


async def test_l3_a_held_lease_is_not_taken_before_it_stood_still_for_its_hold_time(
    client: Client,
) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    await a.acquire()

    tries = []
    for _ in range(4):
        tries.append(await b._try(b._contend))
        clock.advance(7)

    assert tries == [False, False, False, True]
    assert (a.is_leader, b.is_leader) == (False, True)
    assert (await stored(client)).spec.lease_transitions == 1


async def test_l3_a_renewal_seen_by_the_rival_starts_its_wait_over(client: Client) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    await a.acquire()

    tries = []
    for _ in range(6):
        tries.append(await b._try(b._contend))
        clock.advance(4)
        await a._try(a._renew)

    assert tries == [False] * 6
    assert a.is_leader


async def test_l3_times_that_others_wrote_are_not_believed(api: Api, client: Client) -> None:
    long_ago = {"holderIdentity": "x", "leaseDurationSeconds": 15}
    api.put(PATH, spec={**long_ago, "renewTime": "2001-01-01T00:00:00.000000Z"})
    each = elector(client, "a", FakeClock())

    assert await each._try(each._contend) is False


async def test_l7_l8_leadership_counts_from_before_the_request_was_sent(
    api: Api, client: Client
) -> None:
    clock = FakeClock()
    each = elector(client, "a", clock)
    await each.acquire()
    api.instead.append(late(api, clock, seconds=8))

    await each._try(each._renew)
    after_the_answer = each.is_leader
    clock.advance(2.1)

    assert (after_the_answer, each.is_leader) == (True, False)
    with pytest.raises(NotLeading):
        each.guard()


def late(api: Api, clock: FakeClock, *, seconds: float) -> Answer:
    """A request that is carried out at once and answered late."""

    async def answer(request: web.Request) -> web.StreamResponse:
        code, body = api.carry_out(api.seen[-1])
        clock.advance(seconds)
        return web.json_response(body, status=code)

    return answer


async def test_l4_a_lost_answer_is_found_out_and_leadership_goes_on(
    api: Api, client: Client
) -> None:
    clock = FakeClock()
    each = elector(client, "a", clock)
    await each.acquire()

    async def lost(request: web.Request) -> web.StreamResponse:
        api.carry_out(api.seen[-1])
        return web.Response(status=502, text="<html>")

    api.instead.append(lost)
    results = [await each._try(each._renew), await each._try(each._renew)]

    assert results == [False, True]
    assert (await stored(client)).spec.holder_identity == "a"


async def test_l4_who_finds_another_in_the_lease_stops_at_once(api: Api, client: Client) -> None:
    clock = FakeClock()
    each = elector(client, "a", clock)
    each._retry_seconds = 0.001
    await each.acquire()
    api.put(PATH, spec={"holderIdentity": "b", "leaseDurationSeconds": 15})

    with pytest.raises(NotLeading):
        await each.hold()

    assert not each.is_leader


async def test_l7_an_api_that_only_fails_ends_leadership_after_the_renew_time(
    api: Api, client: Client
) -> None:
    clock = FakeClock()
    each = elector(client, "a", clock)
    each._retry_seconds = 0.001
    await each.acquire()
    started = clock.seconds

    async def down(request: web.Request) -> web.StreamResponse:
        clock.advance(1)
        return web.Response(status=503)

    api.instead.extend([down] * 50)
    with pytest.raises(NotLeading):
        await each.hold()

    assert 10 <= clock.seconds - started <= 11


async def test_l6_a_released_lease_is_taken_at_once(client: Client) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    await a.acquire()
    await b._try(b._contend)

    await a.release()

    assert await b._try(b._contend)
    assert not a.is_leader


async def test_l6_what_was_lost_is_not_given_back(client: Client) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    await a.acquire()
    await b._try(b._contend)
    clock.advance(16)
    await b._try(b._contend)

    await a.release()

    assert (await stored(client)).spec.holder_identity == "b"


async def test_labels_of_the_lease_survive_a_renewal(api: Api, client: Client) -> None:
    each = elector(client, "a", FakeClock())
    await each.acquire()
    metadata = api.objects[PATH]["metadata"]
    assert isinstance(metadata, dict)
    metadata["labels"] = {"team": "x"}

    each._record = await stored(client)
    await each._try(each._renew)

    assert (await stored(client)).metadata.labels == {"team": "x"}


@pytest.mark.parametrize("times", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_l1_times_that_are_not_apart_are_refused(times: tuple[float, float, float]) -> None:
    hold, renew, retry = times
    with pytest.raises(ValueError, match="must hold"):
        Elector(
            None,  # type: ignore[arg-type]  # never used
            REF,
            "a",
            hold_seconds=hold,
            renew_seconds=renew,
            retry_seconds=retry,
        )


Meanwhile = Callable[[], Awaitable[bool]]


def fault(api: Api, clock: FakeClock, chance: Dice, meanwhile: Meanwhile) -> Answer:
    """One of the things that networks do to a request; a rival acts while it is under way."""

    async def answered_late(request: web.Request) -> web.StreamResponse:
        code, body = api.carry_out(api.seen[-1])
        await meanwhile()
        clock.advance(chance.between(0, 12))
        return web.json_response(body, status=code)

    async def held_up(request: web.Request) -> web.StreamResponse:
        seen = api.seen[-1]
        await meanwhile()
        clock.advance(chance.between(0, 12))
        code, body = api.carry_out(seen)
        return web.json_response(body, status=code)

    async def lost(request: web.Request) -> web.StreamResponse:
        api.carry_out(api.seen[-1])
        return web.Response(status=502)

    faults = (answered_late, held_up, lost, refusal(503, ""))
    return faults[int(chance.between(0, len(faults)))]


@pytest.mark.parametrize("seed", range(6))
async def test_l7_l8_there_are_never_two_leaders(api: Api, client: Client, seed: int) -> None:
    chance = Dice(seed)
    clock = FakeClock()
    rivals = [elector(client, name, clock) for name in "abc"]
    led: set[str] = set()

    def step(rival: Elector) -> Meanwhile:
        return lambda: rival._try(rival._renew if rival.is_leader else rival._contend)

    for turn in range(120):
        paused = rivals[turn // 20 % 3]
        awake = [rival for rival in rivals if rival is not paused]
        for each in awake:
            if chance.between(0, 1) < 0.3:
                other = next(rival for rival in awake if rival is not each)
                api.instead.append(fault(api, clock, chance, step(other)))
            await step(each)()
            leaders = [rival.identity for rival in rivals if rival.is_leader]
            led.update(leaders)
            assert len(leaders) <= 1
        clock.advance(chance.between(0, 4))

    assert len(led) > 1


async def test_l6_rivals_that_run_side_by_side_take_turns(client: Client) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    a._retry_seconds = b._retry_seconds = 0.001

    async with asyncio.timeout(30):
        await a.acquire()
        holding = asyncio.create_task(a.hold())
        waiting = asyncio.create_task(b.acquire())
        await asyncio.sleep(0)
        holding.cancel()
        await a.release()
        await waiting

    assert (a.is_leader, b.is_leader) == (False, True)


def writes(seen: list[Seen]) -> list[Seen]:
    """The requests that change something."""
    return [each for each in seen if each.method in ("POST", "PUT")]


async def test_l4_every_write_over_a_lease_names_the_version_that_it_replaces(
    api: Api, client: Client
) -> None:
    each = elector(client, "a", FakeClock())
    await each.acquire()
    await each._try(each._renew)
    await each.release()

    made, *over = writes(api.seen)
    versions = [
        sent.body["metadata"]["resourceVersion"] for sent in over if isinstance(sent.body, dict)
    ]

    assert made.method == "POST"
    assert versions == ["2", "3"]


async def test_c10_a_leader_that_acts_for_too_long_is_told_from_one_that_stopped(
    client: Client,
) -> None:
    clock = FakeClock()
    each = elector(client, "a", clock)
    before = each.is_overstayed
    await each.acquire()

    overstayed = []
    for seconds in (9.9, 2.5, 0.2):
        clock.advance(seconds)
        overstayed.append(each.is_overstayed)
    await each.release()

    assert (before, overstayed, each.is_overstayed) == (False, [False, False, True], False)


async def test_c10_everyone_knows_who_has_the_lease(client: Client) -> None:
    clock = FakeClock()
    a, b = elector(client, "a", clock), elector(client, "b", clock)
    at_first = (a.state, b.state)
    await a.acquire()
    assert not await b._try(b._contend)

    assert at_first == ("not held", "not held")
    assert (a.state, b.state) == ("held", "held by a")
