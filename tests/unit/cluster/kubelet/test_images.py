"""The table of images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hack.cluster.kubelet.images import Images, python_folders


@pytest.mark.parametrize(
    ("reference", "workdir"),
    [
        ("kaito", "/app"),
        ("ghcr.io/someone/kaito:1.2", "/app"),
        ("localhost:5000/kaito@sha256:abc", "/app"),
        ("mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.0.1", "/workspace"),
        ("kaito-phi-3-mini-128k-instruct", "/workspace"),
        ("local/shell", "/"),
        ("local/shell:3", "/"),
    ],
)
def test_an_image_is_found_under_all_its_names(reference: str, workdir: str) -> None:
    pulled = Images().pull(reference)

    assert pulled is not None
    assert pulled.image.workdir == workdir


@pytest.mark.parametrize("reference", ["kaito-unknown", "shell", "busybox:latest", "kaito/other"])
def test_an_unknown_name_cannot_be_pulled(reference: str) -> None:
    assert Images().pull(reference) is None


def test_an_image_added_later_is_found(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    table.write_text("a: {}\n")
    images = Images(table)
    assert images.pull("b") is None

    table.write_text("a: {}\nb: {workdir: /b}\n")

    assert images.pull("b") is not None


def test_an_image_s_id_changes_with_its_content(tmp_path: Path) -> None:
    table = tmp_path / "images.yaml"
    ids = set()
    for workdir in ("/a", "/b"):
        table.write_text(f"a: {{workdir: {workdir}}}\n")
        pulled = Images(table).pull("a")
        assert pulled is not None
        ids.add(pulled.id)

    assert len(ids) == 2


def test_placeholders_are_filled_in() -> None:
    pulled = Images().pull("kaito")
    assert pulled is not None

    placed = pulled.image.placed({"repo": "/r", "cache": "/c", "pod_address": "127.224.0.1"})

    assert placed.binds["/app/kaito"] == "/r/kaito"
    assert placed.env["KAITO_HOST"] == "127.224.0.1"
    assert placed.env["PATH"].startswith("/c/dev/bin:")


def test_a_virtual_environment_brings_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "origin" / "bin").mkdir(parents=True)
    (tmp_path / "origin" / "bin" / "python3").touch()
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(tmp_path / "origin" / "bin" / "python3")
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path}/origin/bin\nversion = 3.11\n")

    assert python_folders(environment) == (environment, tmp_path / "origin")


def test_the_interpreter_that_runs_this_is_found() -> None:
    folders = python_folders(Path(sys.prefix))

    real = Path(sys.executable).resolve()
    assert real.is_relative_to("/usr") or any(real.is_relative_to(one) for one in folders)
