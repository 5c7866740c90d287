"""What a tuning came to, read out of the termination message that its trainer left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from kaito.api.reasons import Reason


class _Success(BaseModel):
    """The note of a trainer that has handed its adapter on."""

    model_config = ConfigDict(extra="ignore")

    outcome: Literal["succeeded"]
    steps: int | None = None
    loss: float | None = None
    image: str = ""
    digest: str = ""


class _Failure(BaseModel):
    """The note of a trainer that has not."""

    model_config = ConfigDict(extra="ignore")

    outcome: Literal["failed"]
    reason: str
    message: str
    lasting: bool = True
    step: int = 0


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuning that has ended well.

    Attributes:
        steps: optimizer steps; None where the note is lost.
        loss: of the last steps that were logged.
        image: reference that was pushed, "" for none.
        digest: of that image.
    """

    steps: int | None = None
    loss: float | None = None
    image: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """An attempt that has ended otherwise.

    Attributes:
        reason: from the closed vocabulary; TUNING where it was merely interrupted.
        message: what happened and what to do.
        lasting: whether trying again without a change is pointless.
    """

    reason: Reason
    message: str
    lasting: bool


_REASONS = {
    str(reason): reason
    for reason in (
        Reason.TRAINING_CONFIG_INVALID,
        Reason.DATA_UNAVAILABLE,
        Reason.DATA_UNUSABLE,
        Reason.MODEL_UNAVAILABLE,
        Reason.GPU_OUT_OF_MEMORY,
        Reason.TRAINING_FAILED,
        Reason.PUSH_FAILED,
    )
} | {"Interrupted": Reason.TUNING}


def note_of(text: str) -> Tuned | Broken | None:
    """The note in a termination message; None where there is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    try:
        if isinstance(found, dict) and found.get("outcome") == "succeeded":
            good = _Success.model_validate(found)
            return Tuned(good.steps, good.loss, good.image, good.digest)
        bad = _Failure.model_validate(found)
    except ValidationError:
        return None
    reason = _REASONS.get(bad.reason, Reason.TRAINING_FAILED)
    return Broken(reason, bad.message, bad.lasting)
