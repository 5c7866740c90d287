"""A tree of objects as lines of text, as plain data, and in colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MANY = 10
"""Of a unit: beyond that the next smaller one says nothing."""
_NARROW = 20
"""Characters: sentences are not broken into less."""


class Tone(StrEnum):
    """How a state is meant; the value is its colour (SGR)."""

    GOOD = "32"
    BUSY = "33"
    BAD = "31"
    PLAIN = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """One object and what hangs on it.

    Attributes:
        kind: its Kind.
        name: its name; "" where the kind says it all.
        state: one or two words.
        tone: how the state is meant.
        age_seconds: since it was created; None where that is not told.
        notes: sentences below it.
        children: what it led to.
    """

    kind: str
    name: str
    state: str
    tone: Tone = Tone.PLAIN
    age_seconds: float | None = None
    notes: tuple[str, ...] = ()
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Pen:
    """What the terminal can show.

    Attributes:
        colour: escape sequences are understood.
        lines: box-drawing characters are; else ASCII stands for them.
        columns: sentences are broken at that width; 0 leaves them whole, for programs.
    """

    colour: bool = False
    lines: bool = False
    columns: int = 0

    def painted(self, text: str, tone: Tone) -> str:
        """The text in the tone's colour."""
        return f"\x1b[{tone.value}m{text}\x1b[0m" if self.colour and tone.value else text

    def broken(self, sentence: str, indent: int) -> list[str]:
        """A sentence in the lines that fit beside an indent, in characters; words stay whole."""
        width = self.columns - indent
        if not self.columns or width < _NARROW:
            return [sentence]
        return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)

    @property
    def joints(self) -> tuple[str, str, str]:
        """Before a child, before the last child, and beside what is below a child."""
        return ("├─ ", "└─ ", "│  ") if self.lines else ("|- ", "`- ", "|  ")


PLAIN = Pen()


def drawn(root: Branch, pen: Pen = PLAIN) -> tuple[str, ...]:
    """The tree, a line each object and note."""
    rows = tuple(_rows(root, pen, lead="", below=""))
    width = max(len(label) for label, _ in rows if label)
    return tuple(_line(label, tail, width) for label, tail in rows)


def plain(root: Branch) -> dict[str, object]:
    """The tree as data, for programs: ages in whole seconds."""
    age = None if root.age_seconds is None else int(root.age_seconds)
    return {
        "kind": root.kind,
        "name": root.name,
        "state": root.state,
        "ageSeconds": age,
        "notes": list(root.notes),
        "children": [plain(child) for child in root.children],
    }


def duration(seconds: float) -> str:
    """A time span in its largest unit, and in the next one as well while that says little."""
    left = int(seconds)
    told: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not told):
            told.append(f"{count}{unit}")
            if count >= _MANY or len(told) > 1:
                break
        elif told:
            break
    return "".join(told)


def _rows(branch: Branch, pen: Pen, *, lead: str, below: str) -> Iterator[tuple[str, str]]:
    """Label and tail of each line; a note has no label of its own."""
    age = "" if branch.age_seconds is None else f"  {duration(branch.age_seconds)}"
    label = f"{lead}{branch.kind} {branch.name}".rstrip()
    yield label, f"{pen.painted(branch.state, branch.tone)}{age}"
    middle, last, beside = pen.joints
    stem = f"{below}{beside if branch.children else '   '}"
    for note in branch.notes:
        for line in pen.broken(note, len(stem)):
            yield "", f"{stem}{line}"
    for position, child in enumerate(branch.children):
        is_last = position == len(branch.children) - 1
        yield from _rows(
            child,
            pen,
            lead=f"{below}{last if is_last else middle}",
            below=f"{below}{'   ' if is_last else beside}",
        )


def _line(label: str, tail: str, width: int) -> str:
    """One line: states stand under each other, notes where they belong."""
    return f"{label.ljust(width)}  {tail}".rstrip() if label else tail


def text(lines: Sequence[str]) -> str:
    """Lines as what is written to a terminal or a file."""
    return "".join(f"{line}\n" for line in lines)
