"""The end of a run, and the note on disk by which a later start of the container knows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ADAPTER = "adapter"
NOTE = "result.json"


@dataclass(frozen=True, slots=True)
class Trained:
    """A run that has come to its end.

    Attributes:
        folder: the adapter's files and nothing else.
        steps: optimizer steps.
        loss: of the last steps that were logged; None where none was.
    """

    folder: Path
    steps: int
    loss: float | None

    def write(self, work: Path, run_id: str) -> None:
        """Say that the adapter is whole."""
        note = {"run_id": run_id, "steps": self.steps, "loss": self.loss}
        (work / NOTE).write_text(json.dumps(note), encoding="utf-8")


def finished(work: Path, run_id: str) -> Trained | None:
    """The result of this very run, where an earlier start of the container has left it."""
    note = work / NOTE
    if not note.is_file():
        return None
    found = json.loads(note.read_text(encoding="utf-8"))
    if found["run_id"] != run_id:
        return None
    return Trained(work / ADAPTER, found["steps"], found["loss"])
