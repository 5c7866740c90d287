"""Lives of a workspace on two nodes whose luck is bad twice: all that holds after one stroke."""

from __future__ import annotations

import pytest

from tests.unit.controllers.workspace.promises import PROMISES, Lives, Promise

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def lives() -> Lives:
    return Lives.hurt(strokes=2)


def test_there_are_thousands_of_moments_of_each_kind(lives: Lives) -> None:
    assert len(lives.bought) > 5000
    assert len(lives.mixed) > 5000
    assert len(lives.tunings) > 1000


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_after_two_strokes_it_holds_that(promise: Promise, lives: Lives) -> None:
    promise(lives)
