"""Every moment of a workspace's life on two nodes, whatever happens, comes to a good end."""

from __future__ import annotations

import pytest

from tests.unit.controllers.workspace.promises import PROMISES, Lives, Promise


@pytest.fixture(scope="module")
def lives() -> Lives:
    return Lives.hurt(strokes=1)


def test_there_are_many_moments_of_each_kind(lives: Lives) -> None:
    assert len(lives.bought) > 500
    assert len(lives.mixed) > 400
    assert len(lives.tunings) > 100
    assert len(lives.late) > 80


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_after_one_stroke_it_holds_that(promise: Promise, lives: Lives) -> None:
    promise(lives)
