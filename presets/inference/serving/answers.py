"""The bodies of OpenAI's answers: whole ones, and the chunks of a stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic_core import to_json

Usage = Mapping[str, int]


def event(content: Mapping[str, Any]) -> bytes:
    """One event of a stream; JSON has no line breaks of its own."""
    return b"data: " + to_json(content) + b"\n\n"


class Answer(Protocol):
    """One kind of answer."""

    def whole(self, texts: Sequence[str], reasons: Sequence[str], usage: Usage) -> dict[str, Any]:
        """All choices at once."""

    def opening(self) -> Sequence[dict[str, Any]]:
        """What a stream begins with."""

    def chunk(self, index: int, text: str) -> dict[str, Any]:
        """Some text of one choice."""

    def last(self, index: int, reason: str) -> dict[str, Any]:
        """The end of one choice."""

    def counted(self, usage: Usage) -> dict[str, Any]:
        """The end of a stream that was asked for its number of tokens."""


class ChatAnswers:
    """Answers of `/v1/chat/completions`."""

    def __init__(self, model: str) -> None:
        self._head = head("chatcmpl", model)

    def whole(self, texts: Sequence[str], reasons: Sequence[str], usage: Usage) -> dict[str, Any]:
        """All choices at once."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": reason,
            }
            for index, (text, reason) in enumerate(zip(texts, reasons, strict=True))
        ]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def opening(self) -> Sequence[dict[str, Any]]:
        """Who speaks."""
        return [self._chunk(0, {"role": "assistant", "content": ""})]

    def chunk(self, index: int, text: str) -> dict[str, Any]:
        """Some text."""
        return self._chunk(index, {"content": text})

    def last(self, index: int, reason: str) -> dict[str, Any]:
        """Why it ends."""
        return self._chunk(index, {}, reason)

    def counted(self, usage: Usage) -> dict[str, Any]:
        """How many tokens it took."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _chunk(
        self, index: int, delta: dict[str, str], reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


class TextAnswers:
    """Answers of `/v1/completions`."""

    def __init__(self, model: str, echoes: Sequence[str] = ()) -> None:
        self._head = {**head("cmpl", model), "object": "text_completion"}
        self._echoes = echoes

    def whole(self, texts: Sequence[str], reasons: Sequence[str], usage: Usage) -> dict[str, Any]:
        """All choices at once."""
        echoes = self._echoes or [""] * len(texts)
        pairs = zip(echoes, texts, reasons, strict=True)
        choices = [
            choice(index, echo + text, reason) for index, (echo, text, reason) in enumerate(pairs)
        ]
        return {**self._head, "choices": choices, "usage": usage}

    def opening(self) -> Sequence[dict[str, Any]]:
        """The prompts, where they are wanted back."""
        return [self.chunk(index, echo) for index, echo in enumerate(self._echoes)]

    def chunk(self, index: int, text: str) -> dict[str, Any]:
        """Some text."""
        return {**self._head, "choices": [choice(index, text, None)]}

    def last(self, index: int, reason: str) -> dict[str, Any]:
        """Why it ends."""
        return {**self._head, "choices": [choice(index, "", reason)]}

    def counted(self, usage: Usage) -> dict[str, Any]:
        """How many tokens it took."""
        return {**self._head, "choices": [], "usage": usage}


def head(kind: str, model: str) -> dict[str, Any]:
    """What every part of one answer begins with."""
    return {"id": f"{kind}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    """One choice of a completion."""
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
