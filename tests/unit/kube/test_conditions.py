"""When lastTransitionTime moves, and which conditions stay."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kaito.kube import conditions
from kaito.kube.objects import Condition
from tests.unit.kube.builders import START

LATER = START + timedelta(minutes=5)


def ready(status: str, **fields: object) -> Condition:
    """A Ready condition since the start."""
    return Condition.model_validate(
        {"type": "Ready", "status": status, "lastTransitionTime": START, **fields}
    )


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [("True", "True", START), ("True", "False", LATER), ("Unknown", "True", LATER)],
)
def test_s1_the_time_moves_only_with_the_status(before: str, after: str, since: object) -> None:
    (found,) = conditions.merged([ready(before)], [ready(after, reason="New")], now=LATER)

    assert (found.status, found.reason, found.last_transition_time) == (after, "New", since)


def test_a_new_condition_begins_now_and_others_stay_where_they_are() -> None:
    other = Condition(type="Other", status="True", last_transition_time=START)

    found = conditions.merged([other], [ready("True")], now=LATER)

    assert found[0] == other
    assert found[1].last_transition_time == LATER


def test_times_are_written_in_whole_seconds() -> None:
    (found,) = conditions.merged([], [ready("True")], now=LATER + timedelta(microseconds=999_999))

    assert found.last_transition_time == LATER
    assert found.model_dump(mode="json")["last_transition_time"] == "2026-01-02T03:09:05Z"


def test_a_condition_is_found_by_its_type() -> None:
    present = [ready("True")]

    assert conditions.condition(present, "Ready") == present[0]
    assert conditions.condition(present, "Absent") is None
    assert conditions.is_true(present, "Ready")
    assert not conditions.is_true([ready("False")], "Ready")
    assert not conditions.is_true(present, "Absent")
