"""The one thread that loads the model and then generates, with the bounded queue before it.

A client that goes away takes its request with it: out of the queue, or out of the model at the
next token.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from serving import log
from serving.chat import ChatRequest
from serving.errors import NotReady, QueueFull
from serving.metrics import Metrics, Tally
from serving.prompt import Completion, Engine, Prompt


@dataclass(slots=True)
class Ticket:
    """One request on its way; written by one thread at a time."""

    arrived: float = field(default_factory=time.monotonic)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for the answer any more."""
    last_token: float | None = None


class Worker:
    """Turns requests into completions, one after another."""

    def __init__(self, load: Callable[[], Engine], *, max_queue: int, metrics: Metrics) -> None:
        self._load = load
        self._places = max_queue + 1
        self._metrics = metrics
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._engine: Engine | None = None
        self._failure = ""
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._waiting = self._running = 0
        metrics.waiting.set_function(lambda: self._waiting)
        metrics.running.set_function(lambda: self._running)

    def start(self, on_failure: Callable[[str], None]) -> None:
        """Begin to load; `on_failure` is called in the worker's thread with the reason."""

        def settle(loading: Future[Engine]) -> None:
            error = loading.exception()
            if error is None:
                self._open(loading.result())
            else:
                on_failure(self._close(error))

        self._executor.submit(self._load).add_done_callback(settle)

    def engine(self) -> Engine:
        """The loaded model, or NotReady with what is missing."""
        if self._failure:
            raise NotReady(f"the model could not be loaded: {self._failure}")
        if self._engine is None:
            seconds = time.monotonic() - self._started
            raise NotReady(f"the model is loading, {seconds:.0f} s so far")
        return self._engine

    async def answer(self, request: ChatRequest) -> Completion:
        """Generate when the turn comes; cancelling gives the turn up.

        Raises:
            NotReady: the model is not loaded.
            InvalidRequest: the model cannot do this.
            QueueFull: too many wait already.
        """
        engine = self.engine()
        ticket = Ticket()
        prompt = await asyncio.to_thread(engine.prompt, request)
        future = self._enqueue(engine, prompt, ticket)
        try:
            return await asyncio.wrap_future(future)
        finally:
            ticket.gone.set()

    def _open(self, engine: Engine) -> None:
        self._engine = engine
        seconds = time.monotonic() - self._started
        self._metrics.load_seconds.set(seconds)
        log.info("model.loaded", seconds=round(seconds, 3))

    def _close(self, error: BaseException) -> str:
        self._failure = f"{type(error).__name__}: {error}"
        log.error("model.failed", exception=error, reason=self._failure)
        return self._failure

    def _enqueue(self, engine: Engine, prompt: Prompt, ticket: Ticket) -> Future[Completion]:
        with self._lock:
            if self._waiting + self._running >= self._places:
                self._metrics.rejected.inc()
                waiting = self._places - 1
                raise QueueFull(f"{waiting} requests wait already; try again in a moment")
            self._waiting += 1
        future = self._executor.submit(self._generate, engine, prompt, ticket)
        future.add_done_callback(self._forget_cancelled)
        return future

    def _forget_cancelled(self, future: Future[Completion]) -> None:
        if future.cancelled():
            with self._lock:
                self._waiting -= 1
            self._metrics.abort()

    def _generate(self, engine: Engine, prompt: Prompt, ticket: Ticket) -> Completion:
        with self._lock:
            self._waiting -= 1
            self._running += 1
        begun = time.monotonic()
        completion = None
        try:
            completion = engine.generate(prompt, on_token=lambda: self._token(ticket))
        finally:
            # Counted first: who sees that nothing runs any more sees the result counted, too.
            self._count(prompt, completion, queue_seconds=begun - ticket.arrived, begun=begun)
            with self._lock:
                self._running -= 1
        return completion

    def _token(self, ticket: Ticket) -> bool:
        """Note the time of one token; whether to stop."""
        now = time.monotonic()
        if ticket.last_token is None:
            self._metrics.first_token.observe(now - ticket.arrived)
        else:
            self._metrics.between_tokens.observe(now - ticket.last_token)
        ticket.last_token = now
        return ticket.gone.is_set()

    def _count(
        self, prompt: Prompt, completion: Completion | None, *, queue_seconds: float, begun: float
    ) -> None:
        tally = Tally(
            finished_reason=completion.finished_reason if completion else "error",
            prompt_tokens=len(prompt.token_ids),
            generated_tokens=completion.generated_tokens if completion else 0,
            queue_seconds=queue_seconds,
            inference_seconds=time.monotonic() - begun,
        )
        self._metrics.count(tally)
        log.info(
            "request.finished",
            reason=tally.finished_reason,
            prompt_tokens=tally.prompt_tokens,
            generated_tokens=tally.generated_tokens,
            queue_seconds=round(tally.queue_seconds, 3),
            seconds=round(tally.inference_seconds, 3),
        )
