"""What the server remembers across a restart: one JSON file, replaced in one step."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hack.cluster.arm.faults import Progress
from hack.cluster.arm.pools import Fleet


class State(BaseModel):
    """Everything that is remembered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fleet: Fleet
    progress: Progress = Progress()


def load(path: Path) -> State | None:
    """The state that was saved there; None when none was."""
    return State.model_validate_json(path.read_text()) if path.exists() else None


def save(path: Path, state: State) -> None:
    """Write the file so that a reader, or a restart, never sees half of it."""
    scratch = path.with_suffix(".new")
    scratch.write_text(state.model_dump_json() + "\n")
    scratch.replace(path)
