"""Whose turn it is among groups that cannot share a batch."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from serving.turns import Turns

NAMES = ("", "ships", "birds", "trains")


def test_a_group_alone_always_has_its_turn() -> None:
    turns = Turns(2)

    assert [turns.next(["ships"]) for _ in range(7)] == ["ships"] * 7


def test_groups_take_turns_of_so_many_batches() -> None:
    turns = Turns(2)

    served = [turns.next(["ships", "birds", ""]) for _ in range(12)]

    assert served == ["ships", "ships", "birds", "birds", "", ""] * 2


def test_who_comes_late_does_not_wait_for_a_turn_that_is_long_over() -> None:
    turns = Turns(3)
    for _ in range(10):
        turns.next(["ships"])

    assert turns.next(["ships", "birds"]) == "birds"


def test_a_group_without_work_loses_the_rest_of_its_turn() -> None:
    turns = Turns(5)
    turns.next(["ships", "birds"])

    assert turns.next(["birds"]) == "birds"


@given(
    st.lists(st.sets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_nobody_waits_longer_than_a_turn_of_everybody_else(
    worlds: list[set[str]], batches: int
) -> None:
    turns = Turns(batches)
    waited: Counter[str] = Counter()
    for present in worlds:
        served = turns.next(sorted(present))
        assert served in present
        waited = Counter({name: waited[name] + 1 for name in present - {served}})
        assert all(count <= batches * (len(NAMES) - 1) for count in waited.values())
