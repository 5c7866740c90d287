"""What is held against the page of events in every cluster of the tests."""

from __future__ import annotations

import json

import pytest

from tests.loglines import page, unexplained


def line(**changes: object) -> str:
    """A line that is as the page has it, but for some keys."""
    usual = {"event": "informer.synced", "level": "info", "timestamp": "", "count": 1}
    return json.dumps(usual | {"resource": "nodes"} | changes)


def test_the_page_has_every_event_with_levels_and_keys() -> None:
    assert len(page()) > 40
    assert page()["object.created"] == ({"info"}, {"target", "target_name"})
    assert page()["reconcile.raised"][0] <= {"debug", "error"}


def test_a_line_as_the_page_has_it_is_explained() -> None:
    assert unexplained([line(), line(reconcile="1", name="w", namespace="n")]) == []


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (line(event="informer.synchronised"), "informer.synchronised is not on the page"),
        (line(level="warning"), "informer.synced is said at warning"),
        (line(colour="red"), "informer.synced has ['colour']"),
        ("on stderr: Traceback", "no line of ours: on stderr: Traceback"),
    ],
    ids=["event", "level", "key", "form"],
)
def test_a_line_that_is_otherwise_is_told(said: str, wrong: str) -> None:
    assert unexplained([line(), said, said]) == [wrong]
