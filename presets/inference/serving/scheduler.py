"""Who is in the next batch, and what each batch adds up to: the library's scheduler, in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers.generation.continuous_batching.requests import RequestStatus
from transformers.generation.continuous_batching.scheduler import FIFOScheduler

from serving.job import Job, Steps
from serving.turns import Turns

BATCHES_A_TURN = 8
SEPARATOR = "/"
"""Between an adapter's name and the rest of a request's id: no name holds one."""


class TurnScheduler(FIFOScheduler):  # type: ignore[misc]  # the library has no types
    """First come, first served, among the requests of the adapter whose turn it is."""

    def __init__(
        self,
        cache: Any,
        safety_margin: float | None,
        max_requests_per_batch: int,
        switch: Callable[[str], None],
        steps: Steps,
    ) -> None:
        super().__init__(cache, safety_margin, max_requests_per_batch)
        self.turn: str | None = None
        """The adapter whose requests are taken; None before the first batch."""
        self._switch = switch
        self._steps = steps
        self._turns = Turns(BATCHES_A_TURN)
        self._preempted: set[str] = set()

    def making_room(self, offload: Callable[[], bool]) -> Callable[[], bool]:
        """The library's way to take requests out of the batch, with those that it took counted."""

        def counted() -> bool:
            before = set(self.active_requests)
            has_made_room = offload()
            taken = before - set(self.active_requests)
            self._preempted = (self._preempted & set(self.waiting_requests)) | taken
            if taken:
                self._steps.preempted(len(taken))
            return has_made_room

        return counted

    def _process_candidates(self, candidates: list[Any], *others: Any) -> Any:
        if candidates:
            self.turn = self._turns.next(adapter_of(state.request_id) for state in candidates)
            self._switch(self.turn)
            candidates = [
                state for state in candidates if adapter_of(state.request_id) == self.turn
            ]
        scheduled, *rest = super()._process_candidates(candidates, *others)
        if scheduled:
            self._steps.made(sum(tokens_of(request) for request in scheduled))
        return scheduled, *rest

    def _infer_request_tokens(self, state: Any, *others: Any) -> Any:
        before = state.position_offset
        tokens = super()._infer_request_tokens(state, *others)
        if found := state.position_offset - before:
            self._looked_up(state, found)
        return tokens

    def _schedule_request(self, state: Any, *others: Any) -> None:
        if self.cache.use_prefix_sharing and state.status == RequestStatus.PENDING:
            self._looked_up(state, 0)
        super()._schedule_request(state, *others)

    def _looked_up(self, state: Any, found: int) -> None:
        """Count a look for the beginning of a prompt, once a request, as vLLM does."""
        if state.request_id not in self._preempted:
            self._steps.looked_up(len(state.initial_tokens), found)


def tokens_of(request: Any) -> int:
    """Tokens of a prompt that a batch reads for a request, and the one that it writes."""
    is_decoding = bool(request.state.generated_tokens)
    read = 0 if is_decoding else int(request.query_length)
    return read + int(request.has_new_token)


def request_id_of(id: str, job: Job) -> str:
    """A job's id in the batch, where the scheduler reads the adapter from it."""
    return f"{job.adapter}{SEPARATOR}{id}"


def adapter_of(request_id: str) -> str:
    """The adapter that a request of the batch is for."""
    return request_id.partition(SEPARATOR)[0]


def job_of(request_id: str) -> str:
    """The job's own id."""
    return request_id.partition(SEPARATOR)[2]
