"""From a request of `POST /chat` to a job: what it asks for, checked against the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from serving.chat import ChatRequest, GenerateKwargs
from serving.encoder import Encoder
from serving.errors import InvalidRequest
from serving.job import BASE, Job, Sampling

BATCHED = frozenset(
    {"do_sample", "temperature", "top_k", "top_p", "eos_token_id", "pad_token_id", "max_new_tokens"}
)
"""Parameters that each request of a batch may have for itself."""
NEUTRAL = {"num_beams": 1, "typical_p": 1.0, "repetition_penalty": 1.0}
"""What changes nothing, besides nought and nothing."""


def chat_job(request: ChatRequest, encoder: Encoder, *, adapter: str = BASE) -> Job:
    """The request as a job, or InvalidRequest with the field to change."""
    kwargs = request.generate_kwargs
    context = encoder.limits.context_tokens
    check_tokens(kwargs, vocabulary_tokens=encoder.limits.vocabulary_tokens)
    token_ids = prompt_tokens(request, encoder)
    if request.handle_long_generation == "hole":
        token_ids = shortened(token_ids, kwargs, context_tokens=context)
    room = room_tokens(len(token_ids), kwargs, context_tokens=context)
    arguments = kwargs.for_generate(max_new_tokens=room)
    return Job(
        token_ids=token_ids,
        max_new_tokens=room,
        end_ids=end_tokens(kwargs, encoder),
        adapter=adapter,
        sampling=Sampling(kwargs.temperature, kwargs.top_k, kwargs.top_p)
        if kwargs.do_sample
        else None,
        alone=arguments if needs_the_model_alone(arguments) else None,
    )


def needs_the_model_alone(arguments: Mapping[str, object]) -> bool:
    """Whether there is a parameter that the batch cannot follow."""
    return any(
        value and value != NEUTRAL.get(name)
        for name, value in arguments.items()
        if name not in BATCHED
    )


def end_tokens(kwargs: GenerateKwargs, encoder: Encoder) -> tuple[int, ...]:
    """The tokens that end the answer: the request's, or else the model's."""
    ends = kwargs.eos_token_id
    if ends is None:
        return encoder.limits.end_ids
    return tuple(ends) if isinstance(ends, list) else (ends,)


def prompt_tokens(request: ChatRequest, encoder: Encoder) -> tuple[int, ...]:
    """The tokens that the model goes on from."""
    check_prompt(request)
    if request.messages:
        return encoder.conversation(request.messages)
    return encoder.encoded((request.prefix or "") + (request.prompt or ""))


def check_prompt(request: ChatRequest) -> None:
    """Refuse a request that has nothing to go on from, or two things."""
    if request.prompt and request.messages:
        raise InvalidRequest("give either prompt or messages, not both", param="messages")
    if request.messages and request.prefix:
        raise InvalidRequest("prefix goes with prompt, not with messages", param="prefix")
    if not request.prompt and not request.messages:
        raise InvalidRequest("prompt is required and may not be empty", param="prompt")


def shortened(
    token_ids: tuple[int, ...], kwargs: GenerateKwargs, *, context_tokens: int
) -> tuple[int, ...]:
    """The end of the prompt, as much as leaves room for `max_new_tokens`."""
    if kwargs.max_new_tokens is None:
        message = "handle_long_generation needs generate_kwargs.max_new_tokens"
        raise InvalidRequest(message, param="generate_kwargs.max_new_tokens")
    kept = context_tokens - kwargs.max_new_tokens
    if kept < 1:
        message = (
            f"max_new_tokens leaves no room for a prompt in {context_tokens} tokens of context"
        )
        raise InvalidRequest(message, param="generate_kwargs.max_new_tokens")
    return token_ids[-kept:]


def room_tokens(prompt_tokens: int, kwargs: GenerateKwargs, *, context_tokens: int) -> int:
    """How many tokens the answer may have; > 0.

    Raises:
        InvalidRequest: prompt and answer together do not fit the context or `max_length`.
    """
    if prompt_tokens >= context_tokens:
        message = (
            f"prompt has {prompt_tokens} tokens, the model's context {context_tokens}; "
            'shorten it or set handle_long_generation to "hole"'
        )
        raise InvalidRequest(message, param="prompt")
    field = "max_length" if kwargs.max_new_tokens is None else "max_new_tokens"
    room = kwargs.max_new_tokens or kwargs.max_length - prompt_tokens
    if room < 1:
        message = (
            f"prompt has {prompt_tokens} tokens, max_length is {kwargs.max_length} for prompt and "
            "answer together; raise it or set max_new_tokens"
        )
        raise InvalidRequest(message, param="generate_kwargs.max_length")
    if prompt_tokens + room > context_tokens:
        message = (
            f"{prompt_tokens} tokens of prompt and {room} of answer are more than the model's "
            f"context of {context_tokens}; lower {field}"
        )
        raise InvalidRequest(message, param=f"generate_kwargs.{field}")
    check_minimum(prompt_tokens, room, kwargs)
    return room


def check_minimum(prompt_tokens: int, room: int, kwargs: GenerateKwargs) -> None:
    """Refuse a minimum that the maximum forbids."""
    if kwargs.min_length > prompt_tokens + room:
        raise InvalidRequest(
            "min_length is more than the maximum", param="generate_kwargs.min_length"
        )
    if (kwargs.min_new_tokens or 0) > room:
        message = f"min_new_tokens is more than the {room} tokens that the answer may have"
        raise InvalidRequest(message, param="generate_kwargs.min_new_tokens")


def check_tokens(kwargs: GenerateKwargs, *, vocabulary_tokens: int) -> None:
    """Refuse token ids that the model does not have: the library would end in an IndexError."""
    for field, token in named_tokens(kwargs):
        if token >= vocabulary_tokens:
            message = f"{field} names token {token}; this model's last is {vocabulary_tokens - 1}"
            raise InvalidRequest(message, param=f"generate_kwargs.{field}")


def named_tokens(kwargs: GenerateKwargs) -> Iterator[tuple[str, int]]:
    """Every token id in the request with the field that holds it."""
    ends = kwargs.eos_token_id
    lists = {
        "pad_token_id": [] if kwargs.pad_token_id is None else [kwargs.pad_token_id],
        "eos_token_id": ends if isinstance(ends, list) else [] if ends is None else [ends],
        "suppress_tokens": kwargs.suppress_tokens or [],
        "bad_words_ids": list(chain.from_iterable(kwargs.bad_words_ids or [])),
    }
    for field, tokens in lists.items():
        for token in tokens:
            yield field, token
