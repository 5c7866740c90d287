"""From a request of `POST /chat` to what vLLM's own paths take, and back.

Both engines read one form of request, with the same limits and the same refusals; what vLLM cannot
follow is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.chat import ChatRequest
from serving.chat_job import NEUTRAL, check_prompt, room_tokens, shortened
from serving.errors import InvalidRequest

SAME = frozenset({"temperature", "top_k", "top_p", "min_p", "repetition_penalty"})
"""Parameters that vLLM has under the same name and with the same meaning."""
TRANSLATED = SAME | {
    *("do_sample", "max_new_tokens", "min_length", "min_new_tokens"),
    *("stop_strings", "eos_token_id", "pad_token_id"),
}
"""All that can be said to vLLM; a single text is never padded."""


class Completion:
    """One request on its way to vLLM."""

    def __init__(self, wanted: ChatRequest, model: str) -> None:
        """Check what can be checked before the tokens are known.

        Args:
            wanted: the request.
            model: name of the served model that is to answer; "" for the one without adapters.

        Raises:
            InvalidRequest: it asks for what vLLM cannot do, or contradicts itself.
        """
        check_prompt(wanted)
        if wanted.clean_up_tokenization_spaces:
            field = "clean_up_tokenization_spaces"
            raise InvalidRequest(f"{field} is not supported by vLLM", param=field)
        self._wanted = wanted
        self._named: Mapping[str, object] = {"model": model} if model else {}
        self._said: Mapping[str, object] = (
            {"messages": [turn.model_dump() for turn in wanted.messages]}
            if wanted.messages
            else {"prompt": (wanted.prefix or "") + (wanted.prompt or "")}
        )

    def question(self) -> Mapping[str, object]:
        """What `/tokenize` is asked."""
        return {**self._named, **self._said}

    def asked(
        self, token_ids: Sequence[int], *, context_tokens: int
    ) -> tuple[str, Mapping[str, object]]:
        """The path to ask and its body.

        A conversation goes where vLLM keeps the model's thoughts apart from what it says.

        Args:
            token_ids: of the prompt, or of the conversation through the model's template.
            context_tokens: what prompt and answer together may have.

        Raises:
            InvalidRequest: they do not fit, or a parameter cannot be followed.
        """
        kwargs = self._wanted.generate_kwargs
        kept = tuple(token_ids)
        if self._wanted.handle_long_generation == "hole":
            kept = shortened(kept, kwargs, context_tokens=context_tokens)
        room = room_tokens(len(kept), kwargs, context_tokens=context_tokens)
        parameters = sampling(kwargs.for_generate(max_new_tokens=room), prompt_tokens=len(kept))
        if not self._wanted.messages:
            return "/v1/completions", {**self._named, "prompt": list(kept), **parameters}
        cut = {"truncate_prompt_tokens": len(kept), "truncation_side": "left"}
        dropped = cut if len(kept) < len(token_ids) else {}
        return "/v1/chat/completions", {**self._named, **self._said, **parameters, **dropped}

    def text(self, answer: Mapping[str, Any]) -> str:
        """What the client gets of vLLM's answer."""
        (choice,) = answer["choices"]
        if self._wanted.messages:
            return str(choice["message"]["content"] or "")
        echo = (self._wanted.prompt or "") if self._wanted.return_full_text else ""
        return echo + str(choice["text"])


def sampling(arguments: Mapping[str, object], *, prompt_tokens: int) -> Mapping[str, object]:
    """Arguments of the library's `generate` as vLLM's parameters.

    Every one is given: what is left out, vLLM takes from the model's own advice.

    Raises:
        InvalidRequest: one cannot be followed.
    """
    for name, value in arguments.items():
        if name not in TRANSLATED and value and value != NEUTRAL.get(name):
            raise InvalidRequest(
                f"{name} is not supported by vLLM", param=f"generate_kwargs.{name}"
            )
    drawing = {"min_p": 0.0, **{name: arguments[name] for name in SAME if name in arguments}}
    if not arguments["do_sample"]:
        drawing["temperature"] = 0.0
    return {
        **drawing,
        **ends(arguments),
        "max_tokens": arguments["max_new_tokens"],
        "min_tokens": least_tokens(arguments, prompt_tokens=prompt_tokens),
    }


def ends(arguments: Mapping[str, object]) -> Mapping[str, object]:
    """What ends the answer; text and token that do so are part of it, as in the library's."""
    wanted: dict[str, object] = {"include_stop_str_in_output": True}
    if stops := arguments.get("stop_strings"):
        wanted["stop"] = stops
    given = arguments.get("eos_token_id")
    if given is not None:
        wanted |= {
            "ignore_eos": True,
            "stop_token_ids": given if isinstance(given, list) else [given],
        }
    return wanted


def least_tokens(arguments: Mapping[str, object], *, prompt_tokens: int) -> int:
    """How many tokens the answer has at least."""
    whole, new = arguments.get("min_length"), arguments.get("min_new_tokens")
    return max(
        0,
        whole - prompt_tokens if isinstance(whole, int) else 0,
        new if isinstance(new, int) else 0,
    )
