"""The tiny model: the same bytes each time, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def made(python: Path, folder: Path) -> str:
    """Run the maker as a user does; what it printed."""
    done = subprocess.run(
        [str(python), "-m", "hack.cluster.models", str(folder)],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout


def test_two_runs_give_the_same_bytes(python: Path, model: Path, tmp_path: Path) -> None:
    again = tmp_path / "somewhere" / "again"

    made(python, again)

    assert digests(again) == digests(model)
    assert {p.name for p in again.parent.iterdir()} == {"again"}


def test_a_model_that_is_there_is_kept(python: Path, model: Path) -> None:
    before = (model / "config.json").stat().st_mtime_ns

    assert "there already" in made(python, model)
    assert (model / "config.json").stat().st_mtime_ns == before


def test_it_is_a_phi_3_that_anyone_may_read(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())

    assert config["architectures"] == ["Phi3ForCausalLM"]
    assert config["max_position_embeddings"] == 4096
    assert all(p.stat().st_mode & 0o444 == 0o444 for p in model.iterdir())
