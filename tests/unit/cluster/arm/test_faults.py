"""Which requests a scenario makes go wrong, and how often."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster.arm.calls import Attempt, Call
from hack.cluster.arm.faults import EARLY_FAULTS, LATE_FAULTS, Progress, Script

PUT = Attempt(Call.PUT, "ws1", "Standard_NC6s_v3")


def script(folder: Path, *rules: dict[str, object], progress: Progress | None = None) -> Script:
    """The script of a file with those rules."""
    path = folder / "scenario.json"
    if rules:
        path.write_text(json.dumps({"rules": rules}))
    return Script(path, progress or Progress())


def fires(played: Script, attempt: Attempt) -> bool:
    """Whether any fault fires."""
    return played.fires(attempt, EARLY_FAULTS | LATE_FAULTS) is not None


def test_nothing_goes_wrong_without_a_file(tmp_path: Path) -> None:
    assert not fires(script(tmp_path), PUT)


def test_a_rule_lets_some_through_and_then_fires_its_times(tmp_path: Path) -> None:
    played = script(tmp_path, {"fault": "conflict", "after": 2, "times": 3})

    assert [fires(played, PUT) for _ in range(7)] == [False, False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({"pool": "ws.*"}, True),
        ({"pool": "ws"}, False),
        ({"vmSize": "Standard_NC.*"}, True),
        ({"vmSize": "Standard_ND.*"}, False),
        ({"operation": "PUT|DELETE"}, True),
        ({"operation": "GET"}, False),
    ],
)
def test_a_rule_is_about_what_it_matches(
    tmp_path: Path, match: dict[str, str], *, matches: bool
) -> None:
    assert fires(script(tmp_path, {"fault": "throttle", "match": match}), PUT) is matches


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        ("quota", {Call.PUT}),
        ("sku", {Call.PUT}),
        ("allocation", {Call.PUT}),
        ("stuck-creating", {Call.PUT}),
        ("stuck-deleting", {Call.DELETE}),
        ("denied", {Call.PUT, Call.GET, Call.LIST, Call.DELETE, Call.ABORT}),
    ],
)
def test_a_fault_concerns_the_calls_that_it_can_befall(
    tmp_path: Path, fault: str, calls: set[Call]
) -> None:
    played = script(tmp_path, {"fault": fault})

    assert {call for call in Call if fires(played, Attempt(call, "ws1"))} == calls


def test_polls_and_tokens_go_wrong_when_they_are_named(tmp_path: Path) -> None:
    played = script(tmp_path, {"fault": "unavailable", "match": {"operation": "POLL|SIGN_IN"}})

    assert fires(played, Attempt(Call.POLL))
    assert fires(played, Attempt(Call.SIGN_IN))


def test_a_changed_file_counts_anew_and_a_restart_does_not(tmp_path: Path) -> None:
    rule = {"fault": "conflict", "times": 1}
    first = script(tmp_path, rule)
    assert fires(first, PUT)

    restarted = script(tmp_path, progress=first.progress)
    again = fires(restarted, PUT)
    (tmp_path / "scenario.json").write_text(json.dumps({"rules": [rule, rule]}))
    changed = fires(restarted, PUT)

    assert (again, changed) == (False, True)


def test_a_file_that_is_not_legal_changes_nothing(tmp_path: Path) -> None:
    played = script(tmp_path, {"fault": "conflict"})
    assert fires(played, PUT)

    for text in ("{", '{"rules": [{"fault": "meteor"}]}', '{"rules": [{"match": {"pool": "("}}]}'):
        (tmp_path / "scenario.json").write_text(text)
        assert fires(played, PUT)
