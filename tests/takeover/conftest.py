"""The seed, which decides what befalls whom."""

from __future__ import annotations

from random import randrange

import pytest

OPTION = "--takeover-seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the seed of a run that is to be repeated."""
    parser.addoption(OPTION, type=int, default=None, help="seed of the take-overs; drawn if none")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run."""
    given = request.config.getoption(OPTION)
    return randrange(1_000_000) if given is None else int(given)
