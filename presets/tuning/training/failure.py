"""A failure that a person can mend: what happened and what to do about it."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What failed; the operator has a reason of the same name for each."""

    CONFIG = "TrainingConfigInvalid"
    """A parameter that does not exist, or a value that it does not take."""
    DATA_UNAVAILABLE = "DataUnavailable"
    """An address that answers nothing useful."""
    DATA_UNUSABLE = "DataUnusable"
    """Files that hold no examples."""
    MODEL = "ModelUnavailable"
    """The base model cannot be loaded."""
    MEMORY = "OutOfMemory"
    """The GPU's memory was too small."""
    TRAINING = "TrainingFailed"
    """The libraries raised an error while training."""
    PUSH = "PushFailed"
    """The adapter is there, and its registry or volume does not take it."""
    INTERRUPTED = "Interrupted"
    """Told to stop; the next start goes on from the checkpoint."""


class Failure(Exception):
    """Something that ends this attempt.

    Attributes:
        kind: what failed.
        message: what happened and what to do, for people.
        lasting: whether trying again without a change is pointless.
    """

    def __init__(self, kind: Kind, message: str, *, lasting: bool = True) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.lasting = lasting
