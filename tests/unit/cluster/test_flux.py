"""Flux from its modules, by a Go that only pretends."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster.failures import Unobtainable
from hack.cluster.flux import flux

GO = """#!/bin/sh
set -e
echo "$*" >> "$0.log"
case $1 in
  env) echo go1.26.0 ;;
  mod)
    for each in kustomize-controller@v1.7.3 source-controller@v1.8.5; do
      mkdir -p "$GOMODCACHE/github.com/fluxcd/$each/config/crd/bases"
      touch "$GOMODCACHE/github.com/fluxcd/$each/config/crd/bases/$each.yaml"
    done ;;
  build)
    while [ "$1" != -o ]; do shift; done
    touch "$2" ;;
esac
"""


def no_report(_line: str) -> None:
    """Take no notice."""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go on PATH; beside it the log of what it was asked."""
    program = tmp_path / "path" / "go"
    program.parent.mkdir()
    program.write_text(GO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE"):
        monkeypatch.delenv(name, raising=False)
    return program


def test_the_program_and_the_kinds_of_both_modules_are_kept(tmp_path: Path, go: Path) -> None:
    cache = tmp_path / "cache"

    built = flux(cache, offline=False, report=no_report)

    assert built.program.exists()
    assert sorted(path.name for path in built.definitions.iterdir()) == [
        "kustomize-controller@v1.7.3.yaml",
        "source-controller@v1.8.5.yaml",
    ]
    assert built.program.parent.name.startswith("flux-v1.7.3-")
    assert not (cache / "go").exists()
    asked = go.with_suffix(".log").read_text()
    assert "build -v -trimpath" in asked


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path, go: Path) -> None:
    first = flux(tmp_path / "cache", offline=False, report=no_report)
    asked = go.with_suffix(".log").read_text()

    second = flux(tmp_path / "cache", offline=True, report=no_report)

    assert second == first
    assert go.with_suffix(".log").read_text() == asked


def test_a_build_that_fails_leaves_nothing_that_looks_built(tmp_path: Path, go: Path) -> None:
    go.write_text(GO.replace('touch "$2"', "exit 1"))

    with pytest.raises(Unobtainable, match="the build with Go failed"):
        flux(tmp_path / "cache", offline=False, report=no_report)

    kept = tmp_path / "cache" / "bin"
    assert [each.name for each in kept.iterdir() if each.suffix != ".new"] == [".lock"]
