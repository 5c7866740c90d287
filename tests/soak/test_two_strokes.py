"""Lives of a workspace on two nodes whose luck is bad twice: all that holds after one stroke."""

from __future__ import annotations

from inspect import signature

import pytest

from tests.unit.controllers.workspace import test_lives as told
from tests.unit.controllers.workspace.lives import Life, begin, reachable
from tests.unit.controllers.workspace.tuninglives import begin_tuning

pytestmark = pytest.mark.timeout(600)

TESTS = tuple(test for name, test in vars(told).items() if name.startswith("test_"))


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return list(reachable(begin(), strokes=2).values())


def test_there_are_thousands_of_moments(lives: list[Life]) -> None:
    assert len(lives) > 5000


@pytest.fixture(scope="module")
def tunings() -> list[Life]:
    return list(reachable(begin_tuning(), strokes=2).values())


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_what_holds_after_one_stroke_holds_after_two(
    test: object, lives: list[Life], tunings: list[Life]
) -> None:
    assert callable(test)
    told_of = {"lives": lives, "tunings": tunings}
    test(**{name: told_of[name] for name in signature(test).parameters})
