"""Cheap histograms say what prometheus_client's own would."""

from __future__ import annotations

import math
import re

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kaito.kube.histogram import Histogram

BUCKETS = (0.005, 0.5, 1, 2.5, 1024)
AMOUNTS = (0, 0.005, 0.0050001, 1, 1.5, 2.5, 1024, 1e9, math.inf)


def told(registry: CollectorRegistry) -> str:
    """All that a registry tells, but when it was made."""
    text = generate_latest(registry).decode()
    return "\n".join(line for line in text.splitlines() if not re.search(r"_created\b", line))


def test_labelled_series_are_told_as_prometheus_client_tells_them() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    cheap = Histogram("x_seconds", "Time", ("a", "b"), buckets=BUCKETS, registry=ours)
    usual = prometheus_client.Histogram(
        "x_seconds", "Time", ("a", "b"), buckets=BUCKETS, registry=theirs
    )

    for amount in AMOUNTS:
        cheap.labels("1", "2").observe(amount)
        usual.labels("1", "2").observe(amount)
    cheap.labels("never", 'with "quotes"')
    usual.labels("never", 'with "quotes"')

    assert told(ours) == told(theirs)


def test_a_histogram_without_labels_is_told_from_the_start() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    cheap = Histogram("x_bytes", "Size", buckets=BUCKETS, registry=ours)
    usual = prometheus_client.Histogram("x_bytes", "Size", buckets=BUCKETS, registry=theirs)

    assert told(ours) == told(theirs)
    cheap.observe(3)
    usual.observe(3)
    assert told(ours) == told(theirs)


def test_labels_that_are_missing_are_an_error() -> None:
    cheap = Histogram("x", "X", ("a",), buckets=(1,), registry=CollectorRegistry())

    with pytest.raises(ValueError, match="labels a"):
        cheap.labels()
