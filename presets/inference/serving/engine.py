"""The model on the transformers library.

Importing this module takes seconds (torch, transformers): only the thread that loads does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as library_log

from serving.chat import ChatRequest, GenerateKwargs
from serving.errors import InvalidRequest
from serving.prompt import Completion, OnToken, Prompt
from serving.settings import Dtype, Settings

BFLOAT16_MAJOR = 8
"""The first major compute capability whose GPUs calculate in bfloat16."""


class TransformersEngine:
    """One causal language model with its tokenizer, on one device."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._vocabulary_tokens = int(model.config.get_text_config().vocab_size)
        self._context_tokens = int(model.config.get_text_config().max_position_embeddings)

    def prompt(self, request: ChatRequest) -> Prompt:
        """The request as tokens, or InvalidRequest with the field to change."""
        check_tokens(request.generate_kwargs, vocabulary_tokens=self._vocabulary_tokens)
        token_ids, echo = self._tokens(request)
        kwargs = request.generate_kwargs
        if request.handle_long_generation == "hole":
            token_ids = shortened(token_ids, kwargs, context_tokens=self._context_tokens)
        room = room_tokens(len(token_ids), kwargs, context_tokens=self._context_tokens)
        return Prompt(
            token_ids=token_ids,
            echo=echo,
            arguments=kwargs.for_generate(max_new_tokens=room),
            max_new_tokens=room,
            clean_up_spaces=request.clean_up_tokenization_spaces,
        )

    def generate(self, prompt: Prompt, *, on_token: OnToken) -> Completion:
        """Write on until the model ends, the room is used up or `on_token` asks to stop."""
        watch = Watch(on_token)
        given = torch.tensor([prompt.token_ids], device=self._model.device)
        try:
            with torch.inference_mode():
                output = self._model.generate(
                    given,
                    attention_mask=torch.ones_like(given),
                    stopping_criteria=[watch],
                    **self._arguments(prompt.arguments),
                )
        except ValueError as error:
            # The library's own check of parameters that do not go together.
            raise InvalidRequest(str(error), param="generate_kwargs") from error
        written = output[0][len(prompt.token_ids) :].tolist()
        return Completion(
            text=prompt.echo + self._new_text(prompt, output[0]),
            generated_tokens=len(written),
            finished_reason=self._reason(prompt, written, stopped=watch.stopped),
        )

    def _tokens(self, request: ChatRequest) -> tuple[tuple[int, ...], str]:
        """Token ids of the request, and what the answer begins with."""
        if request.prompt and request.messages:
            raise InvalidRequest("give either prompt or messages, not both", param="messages")
        if request.messages:
            return self._conversation(request), ""
        if not request.prompt:
            raise InvalidRequest("prompt is required and may not be empty", param="prompt")
        ids = self._tokenizer((request.prefix or "") + request.prompt, verbose=False)["input_ids"]
        if not ids:
            raise InvalidRequest("prompt has no tokens", param="prompt")
        return tuple(ids), request.prompt if request.return_full_text else ""

    def _conversation(self, request: ChatRequest) -> tuple[int, ...]:
        if not self._tokenizer.chat_template:
            message = "this model has no chat template; use prompt instead"
            raise InvalidRequest(message, param="messages")
        if request.prefix:
            raise InvalidRequest("prefix goes with prompt, not with messages", param="prefix")
        encoded = self._tokenizer.apply_chat_template(
            [m.model_dump() for m in request.messages or ()],
            add_generation_prompt=True,
            return_dict=True,
        )
        return tuple(encoded["input_ids"])

    def _arguments(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """The request's own arguments with the tokenizer's padding where it names none."""
        padding = self._tokenizer.pad_token_id
        if padding is None:
            padding = self._tokenizer.eos_token_id
        extra = {"tokenizer": self._tokenizer} if "stop_strings" in arguments else {}
        return {"pad_token_id": padding, **extra, **arguments}

    def _new_text(self, prompt: Prompt, output: Any) -> str:
        """The written part of the text.

        Decoded with the prompt and cut off: a tokenizer may drop the space before its first token.
        """

        def decoded(token_ids: Any) -> str:
            return str(
                self._tokenizer.decode(
                    token_ids,
                    skip_special_tokens=True,
                    clean_up_tokenization_spaces=prompt.clean_up_spaces,
                )
            )

        return decoded(output)[len(decoded(list(prompt.token_ids))) :]

    def _reason(self, prompt: Prompt, written: list[int], *, stopped: bool) -> str:
        if stopped:
            return "abort"
        ends = prompt.arguments.get("eos_token_id", self._model.generation_config.eos_token_id)
        last = written[-1] if written else None
        is_end = last in ends if isinstance(ends, list) else last == ends
        return "stop" if is_end or len(written) < prompt.max_new_tokens else "length"


class Watch:
    """A stopping criterion that reports each token and stops when told to."""

    def __init__(self, on_token: OnToken) -> None:
        self._on_token = on_token
        self.stopped = False

    def __call__(self, input_ids: Any, scores: Any, **_: object) -> Any:
        """One truth value a row of the batch."""
        self.stopped = self._on_token() or self.stopped
        return torch.full((input_ids.shape[0],), self.stopped, device=input_ids.device)


def load(settings: Settings) -> TransformersEngine:
    """The model of the settings, in memory and ready to generate.

    Raises:
        OSError: a file is missing.
        ValueError: a file is not what it should be.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    library_log.disable_progress_bar()
    library_log.disable_default_handler()
    library_log.enable_propagation()
    name = settings.pretrained_model_name_or_path
    source = {
        "revision": settings.revision,
        "local_files_only": not settings.allow_remote_files,
        "trust_remote_code": settings.trust_remote_code,
    }
    tokenizer = AutoTokenizer.from_pretrained(name, **source)
    model = AutoModelForCausalLM.from_pretrained(name, dtype=str(settings.torch_dtype), **source)
    model = on_device(model, chosen_device(settings.device), dtype=settings.torch_dtype)
    return TransformersEngine(model.eval(), tokenizer)


def chosen_device(wanted: str) -> str:
    """`auto` is the first GPU, or else the CPU."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_device(model: Any, device: str, *, dtype: Dtype) -> Any:
    """The model on its device, in float16 where the GPU is too old for the file's bfloat16."""
    if device == "cpu" or dtype is not Dtype.AUTO or model.dtype != torch.bfloat16:
        return model.to(device)
    major, _ = torch.cuda.get_device_capability(device)
    return model.to(device, torch.bfloat16 if major >= BFLOAT16_MAJOR else torch.float16)


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
