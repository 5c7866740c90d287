"""One request at a time through the library's plain `generate`: for what the batch cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from serving.job import Job, Piece, Sink, Steps

LOOK_SECONDS = 0.02


class Pausable(Protocol):
    """What else uses the model."""

    @property
    def is_busy(self) -> bool:
        """Whether it has anything to do."""

    def pause(self) -> AbstractContextManager[None]:
        """Hold it for a while."""


class Alone:
    """Jobs that have the model to themselves, one after another, in a thread of their own."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch: Pausable,
        switch: Callable[[str], None],
        steps: Steps,
    ) -> None:
        """Wait for jobs.

        Args:
            model: the batch's own.
            tokenizer: the model's.
            batch: stands still while a job runs, and then has as long for itself.
            switch: makes an adapter the model's.
            steps: is told of each token, in the thread of the jobs.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._batch = batch
        self._took = self._ended = 0.0
        self._switch = switch
        self._steps = steps
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="alone")
        self._gone: dict[str, threading.Event] = {}
        self._running = ""

    @property
    def running(self) -> frozenset[str]:
        """The id of the job whose turn it is."""
        return frozenset({self._running} - {""})

    def begin(self, id: str, job: Job, sink: Sink) -> None:
        """Put a job in line; call it in the event loop that the sink belongs to."""
        gone = self._gone[id] = threading.Event()
        loop = asyncio.get_running_loop()

        def pass_on(piece: Piece) -> None:
            if not gone.is_set():
                loop.call_soon_threadsafe(sink, piece)

        def settle(running: Future[None]) -> None:
            self._running = ""
            self._gone.pop(id, None)
            if (error := running.exception()) is not None:
                invalid = isinstance(error, ValueError)
                pass_on(Piece((), time.perf_counter(), "error", str(error), invalid=invalid))

        watch = Watch(gone, pass_on, self._steps, prompt_tokens=len(job.token_ids))
        self._executor.submit(self._run, id, job, watch).add_done_callback(settle)

    def cancel(self, id: str, _: Job) -> None:
        """Stop a job at its next token; nothing more comes of it."""
        if (gone := self._gone.pop(id, None)) is not None:
            gone.set()

    def _run(self, id: str, job: Job, watch: Watch) -> None:
        if watch.gone.is_set():
            return
        self._give_way()
        with self._batch.pause():
            self._running = id
            watch.begun = time.perf_counter()
            try:
                self._generate(job, watch)
            finally:
                self._ended = time.perf_counter()
                self._took = self._ended - watch.begun

    def _give_way(self) -> None:
        """Let the batch have as long as the last job had, as long as it has something to do."""
        until = self._ended + self._took
        while self._batch.is_busy and (left := until - time.perf_counter()) > 0:
            time.sleep(min(left, LOOK_SECONDS))

    def _generate(self, job: Job, watch: Watch) -> None:
        self._switch(job.adapter)
        given = torch.tensor([job.token_ids], device=self._model.device)
        with torch.inference_mode(), seeded(job.seed):
            output = self._model.generate(
                given,
                attention_mask=torch.ones_like(given),
                stopping_criteria=[watch],
                **self._arguments(job),
            )
        written = output[0][len(job.token_ids) :].tolist()
        is_end = bool(written) and written[-1] in job.end_ids
        ended = is_end or len(written) < job.max_new_tokens
        watch.finish(written, "stop" if ended else "length")

    def _arguments(self, job: Job) -> dict[str, object]:
        """The request's own arguments with the tokenizer's padding where it names none."""
        arguments = dict(job.alone or {})
        padding = self._tokenizer.pad_token_id
        if padding is None:
            padding = self._tokenizer.eos_token_id
        extra = {"tokenizer": self._tokenizer} if "stop_strings" in arguments else {}
        return {"pad_token_id": padding, **extra, **arguments}


class Watch:
    """A stopping criterion that passes each token on, and stops when nobody waits any more."""

    def __init__(
        self,
        gone: threading.Event,
        pass_on: Callable[[Piece], None],
        steps: Steps,
        *,
        prompt_tokens: int,
    ) -> None:
        self.gone = gone
        self._pass_on = pass_on
        self._steps = steps
        self._unread = prompt_tokens
        self.begun = 0.0
        self._passed = 0

    def __call__(self, input_ids: Any, scores: Any, **_: object) -> Any:
        """One truth value a row of the batch."""
        self._steps.made((self._unread + 1) * len(input_ids))
        self._unread = 0
        if len(input_ids) == 1:
            self._passed += 1
            self._pass_on(Piece((int(input_ids[0, -1]),), self.begun))
        return torch.full((input_ids.shape[0],), self.gone.is_set(), device=input_ids.device)

    def finish(self, written: list[int], reason: str) -> None:
        """Pass on what the criterion did not see: beams are known only at the end."""
        self._pass_on(Piece(tuple(written[self._passed :]), self.begun, reason))


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Random numbers from the seed, without a trace for those who come after."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
