"""The wire form of `/v1/chat/completions` and `/v1/completions`: what OpenAI's clients send.

A field that is not supported is refused by its name. Some clients send such a field with the value
that changes nothing: that value, and no other, is taken.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from serving.wire import Probability, Strict, Text, TokenCount, TokenId


def refused(value: object) -> object:
    """False alone: the field is there for clients that send it anyhow."""
    if value:
        raise ValueError("is not supported")
    return value


StopString = Annotated[str, Field(min_length=1, max_length=200)]
One = Annotated[int, Field(ge=1, le=1)]
Off = Annotated[bool, AfterValidator(refused), WithJsonSchema({"type": "boolean", "const": False})]
EndUser = Annotated[str, Field(max_length=1_000)]


class StreamOptions(Strict):
    """What a stream holds besides the text."""

    include_usage: bool = False
    """One more chunk at the end, with the number of tokens and no text."""


class Parameters(Strict):
    """What both kinds of completion have in common."""

    prompt_field: ClassVar[str]
    """The field that holds what to go on from."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    """Only with `stream`."""
    stop: StopString | Annotated[list[StopString], Field(max_length=16)] | None = None
    """The answer ends before the first of these."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """0 takes the likeliest token each time, as anything below 0.01 does."""
    top_p: Probability | None = None
    top_k: int | None = Field(None, ge=-1, le=1_000_000)
    """0 and -1 set no limit."""
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    ignore_eos: bool = False
    """Go on to `max_tokens`, whatever the model says."""
    user: EndUser | None = None
    """Whom the client asks for; changes nothing here."""
    n: One | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, however they were given."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def includes_usage(self) -> bool:
        """Whether the stream ends with the number of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class TextPart(Strict):
    """A part of a turn."""

    type: Literal["text"]
    text: Text


class ChatMessage(Strict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(min_length=1)]


class Spoken(Strict):
    """One turn with its parts put together."""

    role: str
    content: str


class PlainFormat(Strict):
    """Text as the model writes it."""

    type: Literal["text"]


class ChatCompletionRequest(Parameters):
    """The body of `POST /v1/chat/completions`."""

    prompt_field: ClassVar[str] = "messages"

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    """The newer name of `max_tokens`, and counts before it. Without either: what the context has
    left."""
    logprobs: Off | None = None
    response_format: PlainFormat | None = None

    @property
    def turns(self) -> list[Spoken]:
        """The conversation in plain text."""
        return [
            Spoken(
                role=each.role,
                content=each.content
                if isinstance(each.content, str)
                else "".join(part.text for part in each.content),
            )
            for each in self.messages
        ]


Tokens = Annotated[list[TokenId], Field(min_length=1)]
NonEmptyText = Annotated[str, Field(min_length=1, max_length=4_000_000)]


class CompletionRequest(Parameters):
    """The body of `POST /v1/completions`."""

    prompt_field: ClassVar[str] = "prompt"

    prompt: (
        NonEmptyText
        | Tokens
        | Annotated[list[NonEmptyText], Field(min_length=1, max_length=16)]
        | Annotated[list[Tokens], Field(min_length=1, max_length=16)]
    )
    """A text, or its tokens, or several of either: one choice for each."""
    max_tokens: TokenCount | None = None
    """16 when not given."""
    echo: bool = False
    """Begin the answer with the prompt."""
    best_of: One | None = None
    logprobs: None = None
    suffix: None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, however they were given."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [[token for token in self.prompt if isinstance(token, int)]]
        return [each for each in self.prompt if not isinstance(each, int)]
