"""Folders whose content changes in one step, as a kubelet writes ConfigMaps and Secrets.

    folder/..2026_11_21_13_05_59.123456/name      the files
    folder/..data -> ..2026_11_21_13_05_59.123456  replaced at once
    folder/name -> ..data/name

Programs watch `..data`, so the form matters, not only the content.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CURRENT = "..data"


@dataclass(frozen=True, slots=True)
class File:
    """Content and permission bits of one file."""

    content: bytes
    mode: int = 0o644


def write(folder: Path, files: Mapping[str, File]) -> bool:
    """Make `folder` hold exactly these files, by relative path.

    Returns:
        Whether anything changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / CURRENT
    before = current.resolve() if current.is_symlink() else None
    if before is not None and _files_below(before) == dict(files):
        return False
    fresh = folder / datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f")
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    fresh.mkdir(exist_ok=True)
    fresh.chmod(0o755)
    _point(current, fresh.name)
    _link_names(folder, {Path(name).parts[0] for name in files})
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def _files_below(folder: Path) -> dict[str, File]:
    return {
        str(path.relative_to(folder)): File(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _point(link: Path, target: str) -> None:
    scratch = link.with_name(link.name + "_tmp")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(target)
    scratch.replace(link)


def _link_names(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{CURRENT}/{name}")
    for path in folder.iterdir():
        if path.is_symlink() and not path.name.startswith("..") and path.name not in names:
            path.unlink()
