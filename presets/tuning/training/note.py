"""The termination message: what this run came to, for the operator to read out of the pod."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training.failure import Failure

LIMIT_BYTES = 4096
"""What a kubelet keeps of a termination message."""
MESSAGE_CHARACTERS = 1500


@dataclass(frozen=True, slots=True)
class Result:
    """What a run that has ended well came to.

    Attributes:
        steps: optimizer steps.
        loss: of the last steps that were logged.
        image: reference that was pushed, "" for none.
        digest: of that image, `sha256:...`; "" for none.
    """

    steps: int
    loss: float | None
    image: str = ""
    digest: str = ""


def success(result: Result) -> str:
    """The note of a run that has ended well."""
    return json.dumps(
        {
            "outcome": "succeeded",
            "steps": result.steps,
            "loss": result.loss,
            "image": result.image,
            "digest": result.digest,
        }
    )


def failure(found: Failure, *, step: int) -> str:
    """The note of a run that has not.

    Args:
        found: why.
        step: how far it was.
    """
    return json.dumps(
        {
            "outcome": "failed",
            "reason": found.kind,
            "message": _shortened(found.message),
            "lasting": found.lasting,
            "step": step,
        }
    )


def leave(text: str, where: str) -> None:
    """Write a note where the kubelet looks for it, if it looks."""
    note = Path(where)
    if note.is_file() or note.is_char_device():
        note.write_text(text, encoding="utf-8")


def _shortened(message: str) -> str:
    """A message that fits in a note; its end may hold what to do, so the middle goes."""
    if len(message) <= MESSAGE_CHARACTERS:
        return message
    half = MESSAGE_CHARACTERS // 2
    return f"{message[:half]} … {message[-half:]}"
