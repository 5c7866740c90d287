"""Fixtures of the workspace controller's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[4] / "manifests" / "examples"


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """Text of each quick start, by the name of its file."""
    return {path.stem: path.read_text() for path in EXAMPLES.glob("*.yaml")}
