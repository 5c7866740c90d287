"""From a request of `/v1` to jobs: what it asks for, checked against the model."""

from __future__ import annotations

from serving.completions import ChatCompletionRequest, CompletionRequest, Parameters
from serving.encoder import Encoder
from serving.errors import InvalidRequest
from serving.job import Job, Sampling

COMPLETION_TOKENS = 16
"""What `/v1/completions` writes when it is not told."""
SEEDS = 2**64
COLDEST = 0.01
"""Below this temperature the likeliest token is taken: others have no chance anyhow."""


def conversation_job(request: ChatCompletionRequest, encoder: Encoder, *, adapter: str) -> Job:
    """The next turn of a conversation as a job."""
    newer = request.max_completion_tokens
    older = ("max_tokens", request.max_tokens)
    return job(
        encoder.conversation(request.turns),
        request,
        encoder,
        adapter=adapter,
        wanted=older if newer is None else ("max_completion_tokens", newer),
    )


def completion_jobs(request: CompletionRequest, encoder: Encoder, *, adapter: str) -> list[Job]:
    """One job for each prompt."""
    wanted = ("max_tokens", request.max_tokens or COMPLETION_TOKENS)
    return [
        job(
            encoder.encoded(prompt) if isinstance(prompt, str) else known(prompt, encoder),
            request,
            encoder,
            adapter=adapter,
            wanted=wanted,
        )
        for prompt in request.prompts
    ]


def job(
    token_ids: tuple[int, ...],
    request: Parameters,
    encoder: Encoder,
    *,
    adapter: str,
    wanted: tuple[str, int | None],
) -> Job:
    """One prompt as a job.

    Args:
        token_ids: of the prompt.
        request: how to go on.
        encoder: knows the model's limits.
        adapter: which one to use.
        wanted: the field that says how many tokens the answer may have, and the number; None is
            all that the context has left.
    """
    if request.stream_options and not request.stream:
        raise InvalidRequest("stream_options goes with stream", param="stream_options")
    context = encoder.limits.context_tokens
    if len(token_ids) >= context:
        field = request.prompt_field
        message = f"{field}: {len(token_ids)} tokens, and the context has {context}; shorten it"
        raise InvalidRequest(message, param=field)
    room = room_tokens(len(token_ids), wanted, context_tokens=context)
    sampling = drawn(request, encoder)
    ends = () if request.ignore_eos else encoder.limits.end_ids
    return Job(
        token_ids=token_ids,
        max_new_tokens=room,
        end_ids=ends,
        adapter=adapter,
        sampling=sampling,
        alone=alone_arguments(request, sampling, room=room, end_ids=ends),
        seed=None if request.seed is None else request.seed % SEEDS,
    )


def drawn(request: Parameters, encoder: Encoder) -> Sampling | None:
    """How tokens are drawn: as the request says, or else as the model's authors advise."""
    advice = encoder.defaults
    temperature = advice.temperature if request.temperature is None else request.temperature
    if temperature < COLDEST:
        return None
    top_k = advice.top_k if request.top_k is None else max(0, request.top_k)
    top_p = advice.top_p if request.top_p is None else request.top_p
    return Sampling(temperature, top_k or None, top_p)


def alone_arguments(
    request: Parameters, sampling: Sampling | None, *, room: int, end_ids: tuple[int, ...]
) -> dict[str, object] | None:
    """Arguments of `generate` for what the batch cannot do; None where it can."""
    extra: dict[str, object] = {}
    if request.repetition_penalty not in (None, 1.0):
        extra["repetition_penalty"] = request.repetition_penalty
    if sampling is not None and request.min_p:
        extra["min_p"] = request.min_p
    if not extra and (request.seed is None or sampling is None):
        return None
    drawing: dict[str, object] = {"do_sample": False}
    if sampling is not None:
        drawing = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k or 0,
            "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        }
    return {**drawing, **extra, "max_new_tokens": room, "eos_token_id": list(end_ids) or -1}


def known(token_ids: list[int], encoder: Encoder) -> tuple[int, ...]:
    """The tokens of a prompt, or InvalidRequest if the model lacks one."""
    last = encoder.limits.vocabulary_tokens - 1
    if max(token_ids) > last:
        message = f"prompt holds token {max(token_ids)}; this model's last is {last}"
        raise InvalidRequest(message, param="prompt")
    return tuple(token_ids)


def room_tokens(prompt_tokens: int, wanted: tuple[str, int | None], *, context_tokens: int) -> int:
    """How many tokens the answer may have; > 0.

    Raises:
        InvalidRequest: prompt and answer together do not fit the context.
    """
    field, tokens = wanted
    room = tokens or context_tokens - prompt_tokens
    if prompt_tokens + room > context_tokens:
        message = (
            f"{prompt_tokens} tokens of prompt and {room} of answer are more than the context of "
            f"{context_tokens}; lower {field}"
        )
        raise InvalidRequest(message, param=field)
    return room
