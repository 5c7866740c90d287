"""The comparison of rights comes after everything that may use them."""

from __future__ import annotations

from pathlib import Path

import pytest

LAST = "test_rights.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put it at the end; leave it out where not all of the ring runs."""
    here = Path(__file__).parent
    last = [item for item in items if item.path == here / LAST]
    others = [item for item in items if item.path != here / LAST]
    files = {item.path for item in others if item.path.parent == here}
    if files == {path for path in here.glob("test_*.py") if path.name != LAST}:
        items[:] = [*others, *last]
    else:
        items[:] = others
        config.hook.pytest_deselected(items=last)
