"""Which files of a folder hold examples, by their names, and in which form, by their content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from oci.dataset import HEAD_BYTES, PARQUET, Form, is_hidden, is_named
from oci.dataset import form_of as form_that_begins

from training.failure import Failure, Kind

LISTED = 10


def data_files(folder: Path) -> tuple[Path, ...]:
    """The files below `folder` whose names say that they hold data, in order.

    Raises:
        Failure: there is none.
    """
    everything = sorted(path for path in folder.rglob("*") if path.is_file())
    found = tuple(path for path in everything if is_named(path.relative_to(folder)))
    if found:
        return found
    shown = (place for path in everything if not is_hidden(place := path.relative_to(folder)))
    names = ", ".join(str(place) for place in islice(shown, LISTED)) or "nothing"
    raise Failure(
        Kind.DATA_UNUSABLE,
        f"the input holds no .parquet, .json, .jsonl, .ndjson or .csv file; it holds: {names}",
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
    form = form_that_begins(path, head)
    if form == "parquet" and _tail(path) != PARQUET:
        raise _unusable(name, "is a parquet file that is cut off: fetch it again")
    if form:
        return form
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        raise _unusable(name, "is empty")
    if text[0] == "<":
        raise _unusable(
            name, "is an HTML page, not data: the address may need an account, or /resolve/"
        )
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


def _unusable(name: str, what: str) -> Failure:
    """A file without examples."""
    return Failure(Kind.DATA_UNUSABLE, f"{name} {what}")
