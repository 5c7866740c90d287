"""Requests in one batch, which changes with each token: the library's continuous batching."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING

from serving.errors import NotReady
from serving.job import Cache, Job, Piece, Sink, Steps
from serving.memory import PAGE_TOKENS
from serving.sampling import Drawing
from serving.scheduler import TurnScheduler, job_of, request_id_of

TURNS = "turns"


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The bounds of a batch and of its cache."""

    requests: int
    tokens: int
    pages: int


class Batch:
    """One model's running batch, in a thread of its own."""

    def __init__(
        self,
        model: Any,
        size: BatchSize,
        *,
        switch: Callable[[str], None],
        shared: bool,
        steps: Steps,
    ) -> None:
        """Allocate the cache.

        Args:
            model: in evaluation mode, on its device.
            size: how much.
            switch: makes an adapter the model's; called between batches, in the batch's thread.
            shared: whether requests with the same beginning may share its part of the cache.
            steps: is told of each batch, in the batch's thread.
        """
        SCHEDULER_MAPPING[TURNS] = functools.partial(TurnScheduler, switch=switch, steps=steps)
        ends = model.generation_config.eos_token_id
        self._manager = model.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=True, eos_token_id=ends),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE_TOKENS,
                num_blocks=size.pages,
                max_batch_tokens=size.tokens,
                max_requests_per_batch=size.requests,
                # The size is ours already; the library only checks that the machine has so much.
                max_memory_percent=1.0,
                allow_block_sharing=shared,
                scheduler_type=TURNS,
                auto_switch_to_flash=False,
                use_cuda_graph=False,
                use_async_batching=False,
            ),
        )
        self._drawing = Drawing(int(model.config.get_text_config().vocab_size))
        self._manager.logit_processor = self._drawing
        self._manager.warmup()
        runner = self._manager.batch_processor.model_runner
        # The library's no_grad still keeps autograd's books: a tenth of a small model's step.
        runner.compute_batch = torch.inference_mode()(runner.compute_batch)
        self._drawing.runner = runner
        self._scheduler = self._manager.batch_processor.scheduler
        self._cache = self._manager.batch_processor.cache
        room = self._manager.batch_processor.offloading_manager
        room.offload_requests = self._scheduler.making_room(room.offload_requests)

    @property
    def cache_tokens(self) -> int:
        """How many tokens the cache holds."""
        return int(self._cache.max_tokens_read)

    @property
    def cache(self) -> Cache:
        """How the cache is divided."""
        return Cache(
            page_tokens=PAGE_TOKENS,
            pages=int(self._cache.num_blocks),
            dtype=str(self._cache.dtype).removeprefix("torch."),
            is_shared=bool(self._cache.use_prefix_sharing),
        )

    @property
    def turn(self) -> str | None:
        """The adapter whose requests go into the next batch; None before the first."""
        turn: str | None = self._scheduler.turn
        return turn

    @property
    def cache_share(self) -> float:
        """The used part of the cache, 0 to 1."""
        return 1.0 - float(self._cache.compute_free_capacity())

    @property
    def running(self) -> frozenset[str]:
        """Ids of the requests that are past the queue."""
        # One call, hence one consistent look at what the other thread changes.
        return frozenset(job_of(id) for id in list(self._scheduler.active_requests))

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to generate."""
        # While the batch stands still, who comes waits before the scheduler.
        has_come = not self._manager.input_queue.empty()
        return has_come or bool(self._scheduler.has_pending_requests())

    @property
    def failure(self) -> str:
        """Why the thread ended; "" as long as it runs."""
        error = self._manager.background_thread_status.fatal_error
        return "" if error is None else f"{type(error).__name__}: {error}"

    def start(self) -> None:
        """Start the thread."""
        self._manager.start()

    def pause(self) -> AbstractContextManager[None]:
        """Hold the batch between two tokens, and have the model to oneself."""
        held: AbstractContextManager[None] = self._manager.pause()
        return held

    def begin(self, id: str, job: Job, sink: Sink) -> None:
        """Put a job in line; call it in the event loop that the sink belongs to."""
        request_id = request_id_of(id, job)
        self._manager.register_result_handler(request_id, Progress(job, sink).forward)
        taken = self._manager.add_request(
            list(job.token_ids),
            request_id=request_id,
            max_new_tokens=job.max_new_tokens,
            streaming=True,
            eos_token_id=list(job.end_ids) or -1,
            **self._drawing.arguments(job.sampling),
        )
        if taken is None:
            self._forget(request_id)
            raise NotReady(f"the model broke off: {self.failure}")

    def cancel(self, id: str, job: Job) -> None:
        """Take a job out of the queue or the batch; nothing more comes of it."""
        request_id = request_id_of(id, job)
        self._forget(request_id)
        self._manager.cancel_request(request_id)

    def _forget(self, request_id: str) -> None:
        self._manager.output_router.result_handlers.pop(request_id, None)


class Progress:
    """What was passed on of one request."""

    def __init__(self, job: Job, sink: Sink) -> None:
        self._job = job
        self._sink = sink
        self._passed = 0

    def forward(self, output: Any) -> None:
        """Pass on what is new in the library's account of the whole request."""
        new = tuple(output.generated_tokens[self._passed :])
        self._passed += len(new)
        reason = ""
        if output.error is not None:
            reason = "error"
        elif output.is_finished():
            reason = "stop" if new and new[-1] in self._job.end_ids else "length"
        self._sink(Piece(new, output.lifespan[0], reason, output.error or ""))
