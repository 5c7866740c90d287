"""What a data set looks like from outside: where its files lie, their names, how they begin.

The trainer tells its files by this, and so does the look at them before a node is bought.
"""

from __future__ import annotations

import codecs
from pathlib import PurePath, PurePosixPath
from typing import Literal

Form = Literal["parquet", "json", "csv"]

FOLDER = PurePosixPath("data")
"""Where images of KAITO hold what they carry."""
SUFFIXES = frozenset({".parquet", ".json", ".jsonl", ".ndjson", ".csv"})
"""Of the files that the trainer reads."""
PARQUET = b"PAR1"
"""How a parquet file begins and ends."""
HEAD_BYTES = 4096
"""What is looked at of a file's beginning."""
_JSON = (b"{", b"[")


def below_data(path: PurePosixPath) -> PurePosixPath | None:
    """Where a file goes: one under data/, and one that stands alone, as in an artifact."""
    if path.is_relative_to(FOLDER) and path != FOLDER:
        return path.relative_to(FOLDER)
    return path if len(path.parts) == 1 and not path.name.startswith(".wh.") else None


def is_hidden(path: PurePath) -> bool:
    """Whether a file or a folder above it is hidden; volumes from ConfigMaps have such folders."""
    return any(part.startswith(".") for part in path.parts)


def is_named(path: PurePath) -> bool:
    """Whether the trainer looks into a file, by its place below the folder."""
    return not is_hidden(path) and path.suffix.lower() in SUFFIXES


def form_of(path: PurePath, start: bytes) -> Form | None:
    """The form of a file that begins so; CSV is known by its name alone."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(PARQUET):
        return "parquet"
    if text.startswith(_JSON):
        return "json"
    is_csv = path.suffix.lower() == ".csv" and text and not text.startswith(b"<")
    return "csv" if is_csv else None
