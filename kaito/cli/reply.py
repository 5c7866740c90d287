"""What a command says: text for a terminal, and the exit code of the process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

SUCCESS = 0
NO = 1
"""The answer is no: nothing fits, or the Workspace is not ready."""
USAGE = 2
"""The question is wrong: an unknown name or flag, or a broken catalogue."""
UNREACHABLE = 3
"""The cluster could not be asked: no address, no answer, no right."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        text: what to write, ending with a newline.
        code: exit code; text goes to stderr when it is `USAGE`.
    """

    text: str
    code: int = SUCCESS


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under upper-case heads, as wide as their longest cell."""
    lines = [[cell.upper() for cell in head], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def as_json(value: object) -> str:
    """A value as JSON, for programs."""
    return json.dumps(value, indent=2, default=str) + "\n"
