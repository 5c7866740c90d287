"""Nobody waits for a turn until the cloud refuses; then requests leave one by one."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from provisioner.controllers.machine.kinds import MACHINE
from provisioner.turns import CALM_SECONDS, LINE, MARGIN, Turns
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.simulation import World

NAMES = [f"claim{number}" for number in range(40)]


class Hand:
    """A clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


def test_it_is_everybodys_turn_until_the_cloud_refuses(clock: Hand) -> None:
    turns = Turns(clock)

    assert [turns.seconds(name) for name in NAMES] == [0] * len(NAMES)


def test_nobody_asks_before_the_time_that_the_cloud_named(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(30)

    clock.now += 29
    assert turns.seconds("a") > 0
    clock.now += 30 * MARGIN - 29
    assert turns.seconds("a") == 0


def test_a_hundred_that_come_back_at_once_leave_a_gap_apart(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(1)
    waiting, left_at = set(NAMES), []
    while waiting:
        clock.now += 0.01
        for name in sorted(waiting):
            if turns.seconds(name) == 0:
                waiting.discard(name)
                left_at.append(clock.now)

    gaps = [later - earlier for earlier, later in pairwise(left_at)]
    assert min(gaps) > 1.0
    assert max(gaps) < 1.3


def test_a_long_pause_does_not_slow_down_what_follows_it(clock: Hand) -> None:
    turns = Turns(clock)
    for _ in range(5):  # under way together
        turns.refused(30)
    clock.now += 30 * MARGIN

    assert turns.seconds("first") == 0
    assert turns.seconds("second") == pytest.approx(MARGIN)


def test_a_cloud_that_refuses_again_is_asked_ever_less_within_a_bound(clock: Hand) -> None:
    turns = Turns(clock)
    gaps = []
    for number in range(10):
        turns.refused(3)
        clock.now += 20
        assert turns.seconds(f"first {number}") == 0
        gaps.append(turns.seconds(f"second {number}"))

    assert gaps[0] == pytest.approx(MARGIN)
    assert all(before < after for before, after in pairwise(gaps[:8]))
    assert gaps[8:] == [pytest.approx(5 * MARGIN)] * 2


def test_whoever_comes_again_before_its_turn_keeps_it(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(1)
    first, second = turns.seconds("a"), turns.seconds("b")

    assert [turns.seconds("a"), turns.seconds("b")] == [first, second]
    assert second > first > 0


def test_a_turn_that_comes_while_the_cloud_is_closed_again_is_put_off(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(1)
    turns.seconds("a")
    clock.now += 1
    turns.refused(10)

    clock.now += 1
    assert turns.seconds("a") == pytest.approx(10 * MARGIN - 1)


def test_a_newcomer_is_never_behind_more_than_a_short_line(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(1)
    for name in NAMES:
        turns.seconds(name)
    clock.now += 2 * MARGIN

    assert turns.seconds("list") <= (LINE + 1) * MARGIN


def test_the_gap_closes_when_the_cloud_has_been_content_for_long(clock: Hand) -> None:
    turns = Turns(clock)
    turns.refused(1)
    for _ in range(6):
        clock.now += CALM_SECONDS
        turns.seconds("a")

    assert [turns.seconds(name) for name in NAMES] == [0] * len(NAMES)


async def test_who_waits_asks_when_its_turn_has_come() -> None:
    loop = asyncio.get_running_loop()
    turns = Turns(loop.time)
    turns.refused(0.02)

    begun = loop.time()
    await turns.wait("list")

    assert loop.time() - begun >= 0.02


async def test_a_claim_is_launched_when_its_turn_has_come() -> None:
    world = World(MACHINE)
    world.create()
    world.cloud.turns.refused(20)

    await world.settle(rounds=8, seconds=2)
    assert world.cloud.launches == []
    assert world.condition("Launched") == ("Unknown", "Launching")

    await world.settle()
    assert world.cloud.launches == [NAME]
    assert world.is_ready
