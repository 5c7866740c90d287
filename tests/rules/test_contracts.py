"""The contracts between rooms, which pyproject.toml writes down, hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.tree import ROOT


@pytest.mark.timeout(120)
def test_no_room_imports_what_its_contract_forbids() -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [linter, "--no-logo"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
