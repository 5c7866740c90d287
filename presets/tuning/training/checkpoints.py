"""Checkpoints of one run: which are whole, and which is the last.

A checkpoint counts once its mark is written: a process that is killed while it saves leaves a
folder without one. The mark names the run, so that nobody resumes what was begun with other data.
"""

from __future__ import annotations

import shutil
from pathlib import Path

MARK = "run.txt"
PREFIX = "checkpoint-"


def last(folder: Path, run_id: str) -> Path | None:
    """The newest whole checkpoint of a run; None where there is none."""
    found = [path for path in folder.glob(f"{PREFIX}*") if is_whole(path, run_id)]
    return max(found, key=step_of, default=None)


def is_whole(path: Path, run_id: str) -> bool:
    """Whether a checkpoint was written to its end, by this run."""
    mark = path / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == run_id


def step_of(path: Path) -> int:
    """The step after which a checkpoint was written."""
    digits = path.name.removeprefix(PREFIX)
    return int(digits) if digits.isdigit() else -1


def clear(folder: Path, run_id: str) -> None:
    """Remove what other runs, and saves that were cut off, have left."""
    for path in folder.glob(f"{PREFIX}*"):
        if not is_whole(path, run_id):
            shutil.rmtree(path, ignore_errors=True)
