"""Processes for the whole ring."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.soak.crew import Crew, crew


@pytest.fixture(scope="session")
def players() -> Iterator[Crew]:
    """Processes that play plans."""
    with crew() as made:
        yield made
