"""What a data set looks like from outside: where its files lie, their names, how they begin.

The trainer reads them; this only tells early what it would refuse.
"""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath

FOLDER = PurePosixPath("data")
"""Where images of KAITO hold what they carry."""
SUFFIXES = frozenset({".parquet", ".json", ".jsonl", ".ndjson", ".csv"})
"""Of the files that the trainer reads."""
_PARQUET = b"PAR1"
_JSON = (b"{", b"[")


def below_data(path: PurePosixPath) -> PurePosixPath | None:
    """Where a file goes: one under data/, and one that stands alone, as in an artifact."""
    if path.is_relative_to(FOLDER) and path != FOLDER:
        return path.relative_to(FOLDER)
    return path if len(path.parts) == 1 and not path.name.startswith(".wh.") else None


def is_named(path: PurePosixPath) -> bool:
    """Whether the trainer looks into a file, by its place below the folder."""
    is_hidden = any(part.startswith(".") for part in path.parts)
    return not is_hidden and path.suffix.lower() in SUFFIXES


def is_begun(path: PurePosixPath, start: bytes) -> bool:
    """Whether a file begins as parquet, JSON or CSV does; CSV is known by its name alone."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    is_csv = path.suffix.lower() == ".csv" and not text.startswith(b"<")
    return start.startswith(_PARQUET) or text.startswith(_JSON) or bool(text and is_csv)
