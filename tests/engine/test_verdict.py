"""What counts as a change by a process that has lost the lease, on logs written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from tests.takeover import audit, verdict
from tests.takeover.audit import Write

START = datetime(2026, 1, 1, tzinfo=UTC)
NODE = ("nodes", "", "n1")


def wrote(at: int, process: str, verb: str = "patch", **fields: Any) -> Write:
    """A write to one node, accepted in the second `at`, which is its version too."""
    known = {"place": NODE, "code": 200, "uid": "u1", "version": float(at)}
    received = START + timedelta(seconds=at)
    return Write(process=process, verb=verb, received=received, **{**known, **fields})


def took(at: int, process: str) -> Write:
    """The lease goes to a process."""
    place = ("leases", "kaito-system", "kaito")
    return wrote(at, process, "update", place=place, uid="l1", holder=process)


OLD, NEW = "kaito-1", "kaito-2"
BEFORE = [took(1, OLD), wrote(2, OLD), took(5, NEW)]


def test_a_late_change_that_is_accepted_is_a_violation() -> None:
    log = [*BEFORE, wrote(6, NEW), wrote(7, OLD)]

    assert len(verdict.violations(log, "kaito")) == 1


def test_a_late_change_that_is_refused_is_none_but_was_under_way() -> None:
    log = [*BEFORE, wrote(6, NEW), wrote(7, OLD, code=409, uid="", version=0.0)]

    assert verdict.violations(log, "kaito") == []
    assert [(name, len(came)) for name, came in verdict.late(log, "kaito").items()] == [(OLD, 1)]


def test_a_change_before_the_first_of_the_new_holder_may_still_be_accepted() -> None:
    log = [*BEFORE, wrote(6, OLD), wrote(7, NEW)]

    assert verdict.violations(log, "kaito") == []
    assert verdict.late(log, "kaito") == {}


def test_another_object_of_the_same_name_is_another_object() -> None:
    log = [*BEFORE, wrote(6, NEW), wrote(7, OLD, uid="u2")]

    assert verdict.violations(log, "kaito") == []


def test_a_late_change_that_changes_nothing_is_a_violation_all_the_same() -> None:
    log = [*BEFORE, wrote(6, NEW), wrote(7, OLD, version=6.0)]

    assert len(verdict.violations(log, "kaito")) == 1


def test_an_end_comes_after_every_other_write() -> None:
    log = [*BEFORE, wrote(6, OLD, "delete", version=inf), wrote(6, NEW, version=5.5)]

    assert len(verdict.violations(log, "kaito")) == 1


def test_creates_and_events_do_not_count() -> None:
    event: dict[str, Any] = {"place": ("events", "default", "e1")}
    late = [wrote(7, OLD, "create"), wrote(8, OLD, **event)]
    log = [*BEFORE, wrote(6, NEW), wrote(6, NEW, **event), *late]

    assert verdict.violations(log, "kaito") == []


def test_who_never_led_may_change_nothing() -> None:
    log = [*BEFORE, wrote(6, "kaito-3")]

    assert len(verdict.violations(log, "kaito")) == 1


def test_who_leads_a_second_time_is_the_newest_holder() -> None:
    log = [*BEFORE, wrote(6, NEW), took(8, OLD), wrote(9, OLD)]

    assert verdict.violations(log, "kaito") == []


def test_two_of_a_kind_for_one_owner_at_a_time_are_doubles() -> None:
    first = wrote(1, OLD, "create", uid="a", owner="o")
    end = wrote(3, OLD, "delete", uid="a", version=inf)

    assert len(verdict.doubles([first, wrote(2, NEW, "create", uid="b", owner="o"), end])) == 1
    assert verdict.doubles([first, end, wrote(4, NEW, "create", uid="b", owner="o")]) == []
    assert verdict.doubles([first, wrote(2, NEW, "create", uid="b", owner="other")]) == []


def test_a_line_of_the_log_tells_who_wrote_what() -> None:
    event = {
        "verb": "patch",
        "objectRef": {"resource": "nodes", "name": "n1", "subresource": "status"},
        "impersonatedUser": {"username": "someone", "extra": {"process": ["kaito-1"]}},
        "responseStatus": {"code": 200},
        "responseObject": {
            "kind": "Node",
            "metadata": {"uid": "u1", "resourceVersion": "7", "labels": None},
        },
        "requestReceivedTimestamp": "2026-01-01T00:00:07.000000Z",
    }

    assert audit.write(event) == wrote(7, OLD)


def test_a_deletion_that_ends_the_object_has_no_version() -> None:
    event = {
        "verb": "delete",
        "objectRef": {"resource": "nodes", "name": "n1"},
        "responseStatus": {"code": 200},
        "responseObject": {"kind": "Status", "status": "Success", "details": {"uid": "u1"}},
        "requestReceivedTimestamp": "2026-01-01T00:00:07.000000Z",
    }

    assert audit.write(event) == wrote(7, "", "delete", version=inf)
