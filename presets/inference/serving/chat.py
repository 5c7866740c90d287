"""The wire form of `POST /chat`: fields, defaults and limits.

Types are strict (no "5" for 5) and unknown fields are refused: what is not supported is said,
never ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from serving.wire import Probability, Strict, Text, TokenCount, TokenId

SAMPLING = frozenset(
    {"temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"}
)
"""Parameters that mean something only where tokens are drawn (`do_sample`)."""

BEAM_SEARCH = frozenset({"early_stopping", "length_penalty"})
"""Parameters that mean something only with `num_beams` above 1."""


class Message(Strict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


class GenerateKwargs(Strict):
    """How to generate: parameters of transformers' `generate`, with this API's own defaults."""

    max_length: TokenCount = 200
    """Tokens of prompt and answer together; not looked at where `max_new_tokens` is given."""
    max_new_tokens: TokenCount | None = None
    """Tokens of the answer."""
    min_length: int = Field(0, ge=0, le=10_000_000)
    min_new_tokens: int | None = Field(None, ge=0, le=10_000_000)
    do_sample: bool = True
    """False takes the likeliest token each time: the same answer for the same request."""
    early_stopping: bool = False
    num_beams: int = Field(1, ge=1, le=16)
    temperature: float = Field(1.0, ge=0.01, le=100)
    top_k: int = Field(10, ge=0, le=1_000_000)
    top_p: Probability = 1.0
    min_p: float | None = Field(None, ge=0, le=1)
    typical_p: Probability = 1.0
    epsilon_cutoff: float | None = Field(None, ge=0, lt=1)
    eta_cutoff: float | None = Field(None, ge=0, lt=1)
    repetition_penalty: float = Field(1.0, ge=0.01, le=100)
    length_penalty: float | None = Field(None, ge=-100, le=100)
    no_repeat_ngram_size: int | None = Field(None, ge=0, le=1_000)
    bad_words_ids: list[Annotated[list[TokenId], Field(min_length=1)]] | None = Field(
        None, min_length=1, max_length=1_000
    )
    suppress_tokens: list[TokenId] | None = None
    stop_strings: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None, min_length=1, max_length=16
    )
    pad_token_id: TokenId | None = None
    eos_token_id: TokenId | list[TokenId] | None = None

    def for_generate(self, *, max_new_tokens: int) -> dict[str, object]:
        """Arguments of `generate` without those that say nothing in the chosen mode.

        Args:
            max_new_tokens: what the prompt leaves free, in tokens; > 0.
        """
        given = self.model_dump(exclude_none=True, exclude={"max_length", "max_new_tokens"})
        idle = (frozenset() if self.do_sample else SAMPLING) | (
            frozenset() if self.num_beams > 1 else BEAM_SEARCH
        )
        if not self.min_length:
            idle |= {"min_length"}
        kept: dict[str, object] = {k: v for k, v in given.items() if k not in idle}
        return kept | {"max_new_tokens": max_new_tokens}


class ChatRequest(Strict):
    """Either a text to go on with, or a conversation to answer."""

    prompt: Text | None = None
    messages: list[Message] | None = None
    return_full_text: bool = True
    """With a prompt: begin the answer with the prompt itself."""
    clean_up_tokenization_spaces: bool = False
    prefix: Text | None = None
    """Text that goes before the prompt and never comes back in the answer."""
    handle_long_generation: Literal["hole"] | None = None
    """"hole" drops the beginning of a prompt that is too long, instead of refusing it."""
    generate_kwargs: GenerateKwargs = GenerateKwargs()


class ChatAnswer(BaseModel):
    """What the model wrote; the capital R is part of the API since its first version."""

    Result: str
