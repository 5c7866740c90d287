"""Lives of a workspace on two nodes whose luck is bad twice: all that holds after one stroke."""

from __future__ import annotations

import pytest

from tests.unit.controllers.workspace import test_lives as told
from tests.unit.controllers.workspace.lives import Life, begin, reachable

pytestmark = pytest.mark.timeout(600)

TESTS = tuple(test for name, test in vars(told).items() if name.startswith("test_"))


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return list(reachable(begin(), strokes=2).values())


def test_there_are_thousands_of_moments(lives: list[Life]) -> None:
    assert len(lives) > 5000


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_what_holds_after_one_stroke_holds_after_two(test: object, lives: list[Life]) -> None:
    assert callable(test)
    test(lives)
