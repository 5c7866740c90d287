"""Leadership on a real server: who writes the lease, over what, and until when that counts."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from kaito.kube.client import Client
from kaito.kube.kinds import LEASES, Lease
from kaito.kube.lease import Elector, NotLeading
from kaito.kube.objects import Ref
from tests.engine.maps import Maps
from tests.engine.proxy import Fault, Pass, Proxy, is_method, lost, unanswered
from tests.unit.kube.builders import FakeClock

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest.fixture
def clock() -> FakeClock:
    """The time of both rivals."""
    return FakeClock()


def rival(client: Client, maps: Maps, identity: str, clock: FakeClock) -> Elector:
    """One that holds for 15 seconds, acts for 10 and renews every 2."""
    elector = Elector(client, Ref("default", maps.group), identity)
    elector.clock = clock
    elector.watchdog = None
    return elector


async def stored(maps: Maps) -> Lease:
    """The lease as the server has it."""
    lease = await maps.client.get(LEASES, Ref("default", maps.group))
    assert lease is not None
    return lease


def takes(seconds: float, clock: FakeClock) -> Fault:
    """The server does it at once and answers after a while."""

    async def fault(_: web.Request, let_through: Pass) -> web.StreamResponse:
        answer = await let_through()
        clock.advance(seconds)
        return answer

    return fault


async def test_l3_times_that_others_wrote_are_not_believed(
    client: Client, maps: Maps, clock: FakeClock
) -> None:
    spec = {
        "holderIdentity": "x",
        "leaseDurationSeconds": 15,
        "renewTime": "2001-01-01T00:00:00.000000Z",
    }
    place = {"name": maps.group, "namespace": "default"}
    await maps.client.create(LEASES, {"metadata": place, "spec": spec})
    b = rival(client, maps, "b", clock)

    tries = []
    for _ in range(4):
        tries.append(await b._try(b._contend))
        clock.advance(7)

    assert tries == [False, False, False, True]


async def test_l4_of_two_that_grab_a_lease_at_once_one_has_it(
    link: Proxy, client: Client, maps: Maps, clock: FakeClock
) -> None:
    a, b, c = (rival(client, maps, name, clock) for name in "abc")
    await c.acquire()
    await asyncio.gather(a._look(), b._look())
    clock.advance(16)
    both = asyncio.Barrier(2)

    async def together(_: web.Request, let_through: Pass) -> web.StreamResponse:
        await both.wait()
        return await let_through()

    link.next(together, is_method("PUT"), times=2)
    won = await asyncio.gather(a._try(a._contend), b._try(b._contend))

    leaders = [each.identity for each in (a, b, c) if each.is_leader]
    assert sorted(won) == [False, True]
    assert leaders == [(await stored(maps)).spec.holder_identity]


async def test_l5_a_take_over_counts_and_a_renewal_does_not(
    client: Client, maps: Maps, clock: FakeClock
) -> None:
    a, b = (rival(client, maps, name, clock) for name in "ab")
    await a.acquire()
    first = (await stored(maps)).spec
    clock.advance(2)
    await a._try(a._renew)
    renewed = (await stored(maps)).spec
    await b._try(b._contend)
    clock.advance(16)
    await b._try(b._contend)
    taken = (await stored(maps)).spec

    assert (first.lease_transitions, renewed.lease_transitions) == (0, 0)
    assert first.acquire_time == renewed.acquire_time
    assert (taken.holder_identity, taken.lease_transitions) == ("b", 1)
    assert taken.acquire_time is not None
    assert first.acquire_time is not None
    assert taken.acquire_time > first.acquire_time


async def test_l6_a_released_lease_is_empty_and_free_at_once(
    client: Client, maps: Maps, clock: FakeClock
) -> None:
    a, b = (rival(client, maps, name, clock) for name in "ab")
    await a.acquire()
    before = await b._try(b._contend)

    await a.release()
    spec = (await stored(maps)).spec

    assert (spec.holder_identity, spec.lease_duration_seconds) == ("", 1)
    assert (before, await b._try(b._contend)) == (False, True)


async def test_l6_a_release_over_what_somebody_labelled_is_tried_again(
    client: Client, maps: Maps, clock: FakeClock
) -> None:
    a = rival(client, maps, "a", clock)
    await a.acquire()
    patch = {"metadata": {"labels": {"team": "x"}}}
    await maps.client.merge_patch(LEASES, Ref("default", maps.group), patch)

    await a.release()

    lease = await stored(maps)
    assert lease.spec.holder_identity == ""
    assert lease.metadata.labels == {"team": "x"}


async def test_l7_l8_a_renewal_that_is_answered_late_counts_from_when_it_was_sent(
    link: Proxy, client: Client, maps: Maps, clock: FakeClock
) -> None:
    a, b = rival(client, maps, "a", clock), rival(maps.client, maps, "b", clock)
    await a.acquire()
    link.next(takes(9.5, clock), is_method("PUT"))

    await a._try(a._renew)
    at_the_answer = (a.is_leader, await b._try(b._contend))
    clock.advance(0.6)
    a_stopped = not a.is_leader
    clock.advance(14.3)
    too_early = await b._try(b._contend)
    clock.advance(0.2)

    assert at_the_answer == (True, False)
    assert a_stopped
    with pytest.raises(NotLeading):
        a.guard()
    assert (too_early, await b._try(b._contend)) == (False, True)


async def test_l7_a_half_open_link_ends_leadership_before_anybody_else_leads(
    link: Proxy, client: Client, maps: Maps
) -> None:
    ref = Ref("default", maps.group)
    a, b = (
        Elector(each, ref, name, hold_seconds=4, renew_seconds=1.5, retry_seconds=0.3)
        for each, name in ((client, "a"), (maps.client, "b"))
    )
    a.watchdog = b.watchdog = None
    await a.acquire()
    holding = asyncio.create_task(a.hold())
    waiting = asyncio.create_task(b.acquire())
    link.next(unanswered, lambda _: True, times=10**6)

    await asyncio.wait([holding, waiting], return_when="FIRST_COMPLETED")
    ended, a_leads, b_leads = holding.done(), a.is_leader, b.is_leader
    await waiting

    assert (ended, a_leads, b_leads) == (True, False, False)
    assert isinstance(holding.exception(), NotLeading)
    assert b.is_leader
    assert (await stored(maps)).spec.holder_identity == "b"


def measured(maps: Maps, series: str) -> float | None:
    """A metric of this lease."""
    return REGISTRY.get_sample_value(f"leader_election_{series}", {"name": maps.group})


async def test_l4_l10_a_renewal_whose_answer_was_lost_is_found_in_the_lease(
    link: Proxy, client: Client, maps: Maps, clock: FakeClock
) -> None:
    a = rival(client, maps, "a", clock)
    before = [measured(maps, each) for each in ("master_status", "slowpath_total")]
    await a.acquire()
    clock.advance(2)
    link.next(lost, is_method("PUT"))

    results = [await a._try(a._renew) for _ in range(2)]

    assert before == [0.0, 0.0]
    assert results[-1]
    assert [measured(maps, each) for each in ("master_status", "slowpath_total")] == [1.0, 1.0]
    assert (await stored(maps)).spec.holder_identity == "a"
