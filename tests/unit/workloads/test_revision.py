"""A revision names exactly one manifest."""

from __future__ import annotations

import re

import pytest

from kaito.kube.objects import Manifest
from kaito.workloads.revision import revision


def test_a_revision_is_an_annotation_s_worth_of_hexadecimal_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", revision({"a": 1}))


def test_order_of_keys_means_nothing_and_order_of_lists_something() -> None:
    assert revision({"a": 1, "b": {"c": 2, "d": 3}}) == revision({"b": {"d": 3, "c": 2}, "a": 1})
    assert revision({"a": [1, 2]}) != revision({"a": [2, 1]})


def test_a_revision_outlives_the_process_that_computed_it() -> None:
    # sha256 of {"a":1}, by another program: a new release must not restart every model.
    assert revision({"a": 1}) == "015abd7f5cc57a2d"


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": "1"}), ({"a": None}, {}), ({"a": True}, {"a": 1}), ({"a": ""}, {"a": None})],
)
def test_values_that_look_alike_differ(one: Manifest, other: Manifest) -> None:
    assert revision(one) != revision(other)
