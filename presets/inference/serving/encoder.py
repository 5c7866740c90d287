"""Text to tokens and back, with the checks that need the model's own numbers.

The tokenizer is the library's; nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jinja2 import TemplateError

from serving.errors import InvalidRequest


class Turn(Protocol):
    """One turn of a conversation."""

    @property
    def role(self) -> str:
        """Who speaks."""

    @property
    def content(self) -> Any:
        """What is said."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The model's own numbers, all in tokens."""

    vocabulary_tokens: int
    context_tokens: int
    """What prompt and answer together may have; less than the model's own where the KV cache of
    this machine holds no more."""
    end_ids: tuple[int, ...]
    """Tokens that end an answer."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """How tokens are drawn where a request of `/v1` says nothing: the model's own advice."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


class Encoder:
    """One model's tokenizer."""

    def __init__(self, tokenizer: Any, limits: Limits, defaults: Defaults | None = None) -> None:
        self._tokenizer = tokenizer
        self.limits = limits
        self.defaults = defaults or Defaults()

    @property
    def fast(self) -> Any:
        """The tokenizer of the tokenizers library under it."""
        return self._tokenizer.backend_tokenizer

    def encoded(self, text: str, *, param: str = "prompt") -> tuple[int, ...]:
        """The tokens of a text, or InvalidRequest if it has none."""
        ids = self._tokenizer(text, verbose=False)["input_ids"]
        if not ids:
            raise InvalidRequest(f"{param} has no tokens", param=param)
        return tuple(ids)

    def conversation(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        """The tokens of a conversation, up to where the model is to answer."""
        if not self._tokenizer.chat_template:
            message = "this model has no chat template; use prompt instead"
            raise InvalidRequest(message, param="messages")
        said = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            encoded = self._tokenizer.apply_chat_template(
                said,
                add_generation_prompt=True,
                return_dict=True,
                tokenizer_kwargs={"verbose": False},
            )
        except TemplateError as error:
            # The template's own words: roles that do not alternate, and the like.
            raise InvalidRequest(f"messages: {error}", param="messages") from error
        return tuple(encoded["input_ids"])

    def written(
        self, prompt_ids: Sequence[int], token_ids: Sequence[int], *, clean_up_spaces: bool = False
    ) -> str:
        """The text of what was generated.

        Decoded with the prompt and cut off: a tokenizer may drop the space before its first token.
        """
        before = self._decoded(prompt_ids, clean_up_spaces=clean_up_spaces)
        whole = self._decoded([*prompt_ids, *token_ids], clean_up_spaces=clean_up_spaces)
        return whole[len(before) :]

    def _decoded(self, token_ids: Sequence[int], *, clean_up_spaces: bool) -> str:
        return str(
            self._tokenizer.decode(
                list(token_ids),
                skip_special_tokens=True,
                clean_up_tokenization_spaces=clean_up_spaces,
            )
        )
