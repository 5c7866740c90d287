"""How each request of a batch draws its tokens: the library's steps, and greedy beside them."""

from __future__ import annotations

from typing import Any

import torch
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
    ContinuousBatchingTemperatureLogitsWarper,
    ContinuousBatchingTopKLogitsWarper,
    ContinuousBatchingTopPLogitsWarper,
)
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from serving.job import Sampling

GREEDY = "greedy"


class Greedy(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # the library has no types
    """Leaves a request that asks for it its likeliest token alone."""

    supported_kwargs = {GREEDY: bool}
    ignored_kwargs = ()

    def fill_defaults(self, int32_tensor: Any) -> None:
        """No request is greedy that does not say so."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        """One flag a request."""
        flags = [r.state.logit_processor_kwargs.get(GREEDY, False) for r in requests_with_new_token]
        return torch.tensor(flags, dtype=torch.int32)

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        """Scores of shape (requests, vocabulary), minus infinity but for the best."""
        best = scores.argmax(dim=-1, keepdim=True)
        alone = torch.full_like(scores, float("-inf")).scatter_(-1, best, 0.0)
        return torch.where(tensor_arg[: scores.size(0), None].bool(), alone, scores)


class Drawing(ContinuousBatchingLogitsProcessorList):  # type: ignore[misc]  # it has no types
    """All steps, each skipped for a batch in which no request needs it: sorting takes its time."""

    runner: Any = None
    """What draws, or takes the likeliest where `do_sample` is off: set for each batch."""

    def __init__(self, vocabulary_tokens: int) -> None:
        steps = [
            ContinuousBatchingTemperatureLogitsWarper(TemperatureLogitsWarper(1.0)),
            ContinuousBatchingTopKLogitsWarper(TopKLogitsWarper(vocabulary_tokens)),
            ContinuousBatchingTopPLogitsWarper(TopPLogitsWarper(1.0)),
            Greedy(),
        ]
        super().__init__(LogitsProcessorList(steps), per_request_processors=True)
        self.tensors_required = len(steps)
        self._needed = [True] * len(steps)
        self._vocabulary_tokens = vocabulary_tokens

    def arguments(self, sampling: Sampling | None) -> dict[str, object]:
        """What a request says to the steps: only what is not the default.

        What would end in an infinity or beyond the vocabulary ends the batch for everybody.
        """
        if sampling is None:
            return {GREEDY: True}
        given: dict[str, object] = {}
        if sampling.temperature != 1.0:
            given["temperature"] = float(sampling.temperature)
        if sampling.top_k and sampling.top_k < self._vocabulary_tokens:
            given["top_k"] = sampling.top_k
        if sampling.top_p is not None and sampling.top_p < 1:
            given["top_p"] = sampling.top_p
        return given

    def prepare_tensor_args(self, requests_in_batch: list[Any], arg_storage: Any) -> Any:
        """Note which steps this batch needs, besides what the library notes."""
        asked = [r.state.logit_processor_kwargs for r in requests_in_batch]
        self.runner.do_sample = not all(GREEDY in each for each in asked)
        named = {key for each in asked for key in each} if self.runner.do_sample else set()
        self._needed = [not named.isdisjoint(p.supported_kwargs) for p in self.logits_processor]
        self.do_processing = any(self._needed)
        if not self.do_processing:
            return arg_storage
        return super().prepare_tensor_args(requests_in_batch, arg_storage)

    def __call__(self, input_ids: Any, scores: Any, logits_processor_args: Any) -> Any:
        """Scores of shape (requests, vocabulary) after the steps that are needed."""
        for step, needed, arguments in zip(
            self.logits_processor, self._needed, logits_processor_args, strict=False
        ):
            scores = step(scores, arguments) if needed else scores
        return scores
