"""Folders that change in one step."""

from __future__ import annotations

from pathlib import Path

from hack.cluster.kubelet.files import File, write


def test_files_are_there_with_their_modes(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1", 0o600), "deep/b": File(b"2")})

    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep" / "b").read_bytes() == b"2"


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": File(b"1")}) is True
    before = (tmp_path / "..data").readlink()

    assert write(tmp_path, {"a": File(b"1")}) is False
    assert (tmp_path / "..data").readlink() == before


def test_other_content_takes_its_place_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1"), "gone": File(b"x")})

    assert write(tmp_path, {"a": File(b"2"), "new": File(b"y")}) is True

    assert (tmp_path / "a").read_bytes() == b"2"
    assert (tmp_path / "new").read_bytes() == b"y"
    assert not (tmp_path / "gone").exists()
    assert sum(path.is_dir() and not path.is_symlink() for path in tmp_path.iterdir()) == 1


def test_a_folder_may_be_empty(tmp_path: Path) -> None:
    write(tmp_path / "volume", {})

    assert (tmp_path / "volume" / "..data").is_dir()
