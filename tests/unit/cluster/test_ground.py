"""Whether a machine can hold a cluster is told in one line, with the standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.failures import ClusterFailed
from hack.cluster.ground import check_ground

REPO = Path(__file__).resolve().parents[3]


def a_bwrap(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_bubblewrap_that_starts_containers_is_fine(tmp_path: Path) -> None:
    check_ground(a_bwrap(tmp_path / "bwrap", "exit 0"))


def test_a_bubblewrap_that_is_forbidden_to_is_told_in_one_line(tmp_path: Path) -> None:
    bwrap = a_bwrap(tmp_path / "bwrap", "echo 'bwrap: No permissions' >&2; exit 1")

    with pytest.raises(ClusterFailed, match="No permissions") as failure:
        check_ground(bwrap)

    assert "\n" not in str(failure.value)
    assert "user namespaces" in str(failure.value)


def test_a_missing_bubblewrap_is_told_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(ClusterFailed, match="apt-get install bubblewrap"):
        check_ground(str(tmp_path / "bwrap"))


def test_the_check_needs_nothing_but_the_standard_library() -> None:
    isolated = [sys.executable, "-S", "-c", "import hack.cluster.ground"]

    done = subprocess.run(
        isolated, cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO)}, check=False
    )

    assert done.returncode == 0
