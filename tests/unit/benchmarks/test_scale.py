"""What `hack/bench scale` makes of what it sees; a whole run is in the behaviour ring."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from hack.benchmarks.scale.arrivals import Arrivals, Late
from hack.benchmarks.scale.page import page
from hack.benchmarks.scale.record import Record, workspace
from hack.benchmarks.scale.rows import Row, median_row, percentile
from hack.benchmarks.scale.script import CLAIM, NAME, UID, filled


def told(name: str, **status: object) -> dict[str, object]:
    """An object in wire form."""
    return {"metadata": {"name": name}, "status": status}


async def test_a_workspace_has_arrived_when_it_says_so_and_its_pod_runs() -> None:
    arrivals = Arrivals(2)

    arrivals.hear_workspace(told("a", conditions=[{"type": "Ready", "status": "True"}]))
    arrivals.hear_workspace(told("b", conditions=[{"type": "Ready", "status": "False"}]))
    arrivals.hear_deployment(told("a", readyReplicas=1))
    arrivals.hear_deployment(told("b", readyReplicas=1))

    assert list(arrivals.moments) == ["a"]
    with pytest.raises(Late, match="1 of 2 in 0 s"):
        await arrivals.complete(0)


async def test_all_have_arrived_once_the_last_one_has() -> None:
    arrivals = Arrivals(1)
    arrivals.hear_deployment(told("a", readyReplicas=1))
    arrivals.hear_workspace(told("a", conditions=[{"type": "Ready", "status": "True"}]))
    first = arrivals.moments["a"]

    arrivals.hear_deployment(told("a", readyReplicas=1))
    await arrivals.complete(1)

    assert arrivals.moments == {"a": first}


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 2.0), (99, 4.0), (25, 1.0)], ids=("half", "most", "quarter")
)
def test_a_percentile_is_a_value_that_was_seen(percent: int, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_the_floor_has_its_own_words_where_the_first_workspace_had_others() -> None:
    record = Record("ws123", {"bench-0000": NAME, "some-uid": UID, "ws123": CLAIM}, ())
    carried = {"kaito.sh/workspace": "bench-0000", "kaito.sh/workspace-uid": "some-uid"}

    pool = record.pool({"count": 1, "nodeLabels": carried, "name": "ws123"}, 7)

    labels = {"kaito.sh/workspace": "bench-0007", "kaito.sh/workspace-uid": ""}
    assert pool == {"count": 1, "nodeLabels": labels, "name": "floor0007"}


def test_each_workspace_has_a_selector_of_its_own() -> None:
    body = json.loads(filled(workspace(finalizer=False).body, {NAME: "bench-0001"}))

    assert body["metadata"] == {"name": "bench-0001", "namespace": "default"}
    assert body["resource"]["labelSelector"] == {"matchLabels": {"apps": "bench-0001"}}


ROW = Row(
    infrastructure="instant",
    n=300,
    ready_seconds=12.5,
    floor_seconds=10.0,
    ratio=1.25,
    p50_seconds=6.0,
    p99_seconds=12.0,
    requests_per_workspace=5.2,
    cpu_seconds=3.5,
    peak_mb=110.0,
    above_imports_mb=18.0,
)


def test_the_page_has_our_floor_beside_the_figures_of_upstream() -> None:
    text = page([ROW], today=date(2026, 1, 2), load=0.25, runs=3)

    assert "on 2026-01-02" in text
    assert "\n0.2 other processes wanted a processor" in text
    assert "| infrastructure | n | ready, s | floor, s | ratio |" in text
    assert (
        "| instant | 300 | 12.5 | 10.0 | 1.25 | 6.0 | 12.0 | 5.2 | 3.5 | 110.0 | 18.0"
        " | ≤ 1.3 x, ≤ 8 requests |" in text
    )
    assert "| 300 | 145.0 | 21.0 | 10.0 |" in text
    assert "| 100 | 47.0" not in text
    assert "Above the aim" not in text


def test_the_page_says_which_aims_are_missed_and_by_how_much() -> None:
    slow = replace(ROW, infrastructure="pools", n=90, ratio=1.31, requests_per_workspace=9.0)
    single = replace(ROW, n=1, ratio=1.9, ready_seconds=0.31)
    many = replace(ROW, n=1000, above_imports_mb=60.8, requests_per_workspace=8.5)

    text = page([single, ROW, many, slow], today=date(2026, 1, 2), load=0.25, runs=3)

    assert "| 18.0 | ≤ 0.3 s, ≤ 8 requests |" in text
    assert "| 60.8 | ≤ 1.3 x, ≤ 8 requests, ≤ 60 MiB |" in text
    assert [line for line in text.splitlines() if ", above " in line] == [
        "- `instant` with 1: 0.31 s, above 0.3",
        "- `instant` with 1,000: 8.5 requests, above 8",
        "- `instant` with 1,000: 60.8 MiB, above 60",
        "- `pools` with 90: 1.31 x, above 1.3",
        "- `pools` with 90: 9 requests, above 8",
    ]
    assert "\nThe floor of `pools` does without this: five more" in text
    assert "The floor of `instant`" not in text


@pytest.mark.parametrize(
    ("runs", "told"), [(1, "is of one run."), (5, "is the median of 5 runs, ours and")]
)
def test_the_page_says_how_often_each_row_was_measured(runs: int, told: str) -> None:
    text = page([ROW], today=date(2026, 1, 2), load=0.25, runs=runs)

    assert f"Each figure {told}" in text


def test_a_row_holds_the_median_of_each_figure_and_the_ratio_of_two_medians() -> None:
    runs = [
        replace(ROW, ready_seconds=10.0, floor_seconds=9.0, cpu_seconds=2.0),
        replace(ROW, ready_seconds=30.0, floor_seconds=8.0, cpu_seconds=4.0),
        replace(ROW, ready_seconds=12.0, floor_seconds=20.0, cpu_seconds=3.0),
    ]

    found = median_row(runs)

    assert (found.infrastructure, found.n) == ("instant", 300)
    assert (found.ready_seconds, found.floor_seconds, found.ratio) == (12.0, 9.0, 1.33)
    assert found.cpu_seconds == 3.0
