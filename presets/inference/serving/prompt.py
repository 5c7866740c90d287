"""What travels between the HTTP side and the thread that generates: plain values, no tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from serving.chat import ChatRequest

OnToken = Callable[[], bool]
"""Called after each generated token; True asks to stop."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request that was read, checked and found to fit."""

    token_ids: tuple[int, ...]
    echo: str
    """What the answer begins with, before anything is generated."""
    arguments: Mapping[str, object]
    """Keyword arguments of `generate`."""
    max_new_tokens: int
    clean_up_spaces: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of a prompt."""

    text: str
    generated_tokens: int
    finished_reason: str
    """stop, length or abort."""


class Engine(Protocol):
    """A loaded model."""

    def prompt(self, request: ChatRequest) -> Prompt:
        """The request as tokens, or InvalidRequest with the field to change. Thread-safe."""

    def generate(self, prompt: Prompt, *, on_token: OnToken) -> Completion:
        """Write on; one call at a time."""
