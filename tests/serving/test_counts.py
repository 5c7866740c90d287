"""Our counters of the batch beside the library's own account of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving.conftest import output_of

pytestmark = pytest.mark.timeout(120)


def test_counters_of_the_batch_say_what_the_library_says(model: Path) -> None:
    found = json.loads(output_of("counts.py", model))

    ours, library = found["ours"], found["library"]
    assert library["hits"] > 0
    assert library["preemptions"] > 0
    assert {name: ours[name] for name in ("hits", "preemptions", "steps")} == {
        name: library[name] for name in ("hits", "preemptions", "steps")
    }
    assert ours["queries"] == found["asked"]
    # The model is never called with a request's last token; who begins anew has two that are last.
    assert ours["tokens"] == library["read"] + found["requests"] + library["preemptions"]
