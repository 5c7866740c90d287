"""Which files of a folder hold examples, and in which form: told by their content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from training.failure import Failure, Kind

Form = Literal["parquet", "json", "csv"]

PARQUET = b"PAR1"
HEAD_BYTES = 4096
SUFFIXES = frozenset({".parquet", ".json", ".jsonl", ".ndjson", ".csv"})
LISTED = 10


def data_files(folder: Path) -> tuple[Path, ...]:
    """The files below `folder` whose names say that they hold data, in order.

    Raises:
        Failure: there is none.
    """
    everything = sorted(
        path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder)
    )
    found = tuple(path for path in everything if path.suffix.lower() in SUFFIXES)
    if found:
        return found
    names = ", ".join(str(path.relative_to(folder)) for path in everything[:LISTED]) or "nothing"
    raise Failure(
        Kind.DATA_UNUSABLE,
        f"the input holds no .parquet, .json, .jsonl or .csv file; it holds: {names}",
    )


def form_of(path: Path, *, name: str = "") -> Form:
    """The form of a file.

    Args:
        path: the file.
        name: what to call it in a message; its own name where empty.

    Raises:
        Failure: it holds no rows of a known form.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    name = name or path.name
    if head.startswith(PARQUET):
        if _tail(path) != PARQUET:
            raise _unusable(name, "is a parquet file that is cut off: fetch it again")
        return "parquet"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        raise _unusable(name, "is empty")
    if text[0] in "[{":
        return "json"
    if text[0] == "<":
        raise _unusable(
            name, "is an HTML page, not data: the address may need an account, or /resolve/"
        )
    if path.suffix.lower() == ".csv":
        return "csv"
    raise _unusable(name, f"is neither parquet, JSON, JSON lines nor CSV; it begins {text[:40]!r}")


def check_json(path: Path, *, name: str = "") -> None:
    """Find the first line of a JSON lines file that is none; a JSON array passes.

    Raises:
        Failure: with the line's number.
    """
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and line.lstrip().startswith("["):
                return
            if line.strip():
                _check_line(line, f"{name or path.name}, line {number}")


def _check_line(line: str, where: str) -> None:
    """One line is one object."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _unusable(where, f"is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise _unusable(where, f"is no object but {line.strip()[:40]!r}")


def grouped(files: Sequence[Path]) -> dict[Form, list[Path]]:
    """The files by form, in order."""
    found: dict[Form, list[Path]] = {}
    for path in files:
        found.setdefault(form_of(path), []).append(path)
    return found


def _tail(path: Path) -> bytes:
    """The last four bytes."""
    with path.open("rb") as file:
        file.seek(-min(len(PARQUET), path.stat().st_size), 2)
        return file.read()


def _is_hidden(path: Path, folder: Path) -> bool:
    """Whether a file or a folder above it is hidden; volumes from ConfigMaps have such folders."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _unusable(name: str, what: str) -> Failure:
    """A file without examples."""
    return Failure(Kind.DATA_UNUSABLE, f"{name} {what}")
