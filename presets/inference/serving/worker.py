"""The loaded model with the bounded queue before it: what is asked goes in, pieces come out.

Everything here runs in the event loop, but for the load. A client that goes away takes its request
with it: out of the queue, or out of the model at the next token.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor

from serving import log
from serving.errors import BadAdapter, Failed, InvalidRequest, NotReady, QueueFull
from serving.job import Engine, Job, Piece
from serving.metrics import Metrics, Tally


class Worker:
    """Turns jobs into pieces of text, as many at once as the engine takes."""

    def __init__(
        self, load: Callable[[], Engine], *, max_running: int, max_queue: int, metrics: Metrics
    ) -> None:
        self._load = load
        self._max_queue = max_queue
        self._places = max_running + max_queue
        self._metrics = metrics
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._engine: Engine | None = None
        self._failure = ""
        self._started = time.monotonic()
        self._ids = itertools.count()
        self._open: dict[str, Ticket] = {}
        self._on_failure: Callable[[str], None] = lambda _: None
        metrics.watch(self)

    @property
    def running(self) -> dict[str, int]:
        """How many requests are generated now, by adapter."""
        return self._counted(running=True)

    @property
    def waiting(self) -> dict[str, int]:
        """How many requests wait for their turn, by adapter."""
        return self._counted(running=False)

    @property
    def waiting_by_reason(self) -> dict[str, int]:
        """How many of them wait for room, and how many for others to have had their turn."""
        found = {"capacity": 0, "deferred": 0}
        if self._engine is None:
            return found
        begun = self._engine.running
        for id, ticket in list(self._open.items()):
            if id not in begun:
                found["deferred" if self._engine.is_deferred(ticket.job) else "capacity"] += 1
        return found

    @property
    def cache_share(self) -> float:
        """The used part of the KV cache, 0 to 1."""
        return self._engine.cache_share if self._engine else 0.0

    def start(self, on_failure: Callable[[str], None]) -> None:
        """Begin to load; `on_failure` is called with the reason, in some thread."""
        self._on_failure = on_failure

        def settle(loading: Future[Engine]) -> None:
            error = loading.exception()
            if error is None:
                self._settled(loading.result())
            else:
                on_failure(self._close(error))

        self._executor.submit(self._load).add_done_callback(settle)

    @property
    def adapters(self) -> tuple[str, ...] | None:
        """Names that a request may ask for besides the model's; None while that is not known."""
        return self._engine.adapters if self._engine else None

    def engine(self) -> Engine:
        """The loaded model, or NotReady with what is missing."""
        if self._failure:
            raise NotReady(self._failure)
        if self._engine is None:
            seconds = time.monotonic() - self._started
            raise NotReady(f"the model is loading, {seconds:.0f} s so far")
        if failure := self._engine.failure:
            raise NotReady(f"the model broke off: {failure}")
        return self._engine

    def open(self, jobs: list[Job], *, request_id: str) -> list[Ticket]:
        """Put the jobs of one request in line, all or none.

        Raises:
            NotReady: the model is not loaded.
            QueueFull: too many wait already.
        """
        engine = self.engine()
        if len(self._open) + len(jobs) > self._places:
            self._metrics.rejected.inc()
            raise QueueFull(f"{self._max_queue} requests wait already; try again in a moment")
        return [self._begun(engine, job, request_id) for job in jobs]

    def ended(self, ticket: Ticket, *, early: bool) -> None:
        """Count a job that has ended; early is before the model is done with it."""
        del self._open[ticket.id]
        tally = ticket.tally()
        self._metrics.count(tally)
        log.info(
            "request.finished",
            request_id=ticket.request_id,
            adapter=ticket.job.adapter,
            reason=tally.finished_reason,
            prompt_tokens=tally.prompt_tokens,
            generated_tokens=tally.generated_tokens,
            seconds=round(tally.ended - tally.arrived, 3),
        )
        if self._engine is None:
            return
        if early:
            self._engine.cancel(ticket.id, ticket.job)
        if failure := self._engine.failure:
            self._on_failure(f"the model broke off: {failure}")

    def observed(self, ticket: Ticket, piece: Piece) -> None:
        """Note the time of each token."""
        now = time.perf_counter()
        if piece.token_ids:
            if ticket.last_token is None:
                ticket.first_token = now
                self._metrics.first_token.observe(now - ticket.arrived)
            else:
                each = (now - ticket.last_token) / len(piece.token_ids)
                for _ in piece.token_ids:
                    self._metrics.between_tokens.observe(each)
            ticket.last_token = now

    def _begun(self, engine: Engine, job: Job, request_id: str) -> Ticket:
        ticket = Ticket(str(next(self._ids)), job, self, request_id)
        engine.begin(ticket.id, job, ticket.receive)
        self._open[ticket.id] = ticket
        return ticket

    def _counted(self, *, running: bool) -> dict[str, int]:
        begun = self._engine.running if self._engine else frozenset()
        found: dict[str, int] = {}
        for id, ticket in list(self._open.items()):
            if (id in begun) == running:
                found[ticket.job.adapter] = found.get(ticket.job.adapter, 0) + 1
        return found

    def _settled(self, engine: Engine) -> None:
        self._engine = engine
        seconds = time.monotonic() - self._started
        self._metrics.load_seconds.set(seconds)
        self._metrics.show_adapters(len(engine.adapters))
        cache = engine.cache
        self._metrics.show_cache(
            block_size=str(cache.page_tokens),
            num_gpu_blocks=str(cache.pages),
            cache_dtype=cache.dtype,
            enable_prefix_caching=str(cache.is_shared),
        )
        log.info("model.loaded", seconds=round(seconds, 3), adapters=engine.adapters)

    def _close(self, error: BaseException) -> str:
        self._failure = reason_of(error)
        log.error("model.failed", exception=error, reason=self._failure)
        return self._failure


class Ticket:
    """One job on its way; its pieces, in order, are what one iterates over."""

    def __init__(self, id: str, job: Job, worker: Worker, request_id: str) -> None:
        self.id = id
        self.job = job
        self.request_id = request_id
        """What the client knows it by."""
        self.arrived = time.perf_counter()
        self.begun: float | None = None
        self.first_token: float | None = None
        self.last_token: float | None = None
        self.generated_tokens = 0
        self.reason = ""
        self._worker = worker
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue()
        self._closed = False

    def receive(self, piece: Piece) -> None:
        """Take one piece from the engine."""
        if self._closed:
            return
        self.begun = self.begun or piece.begun
        self._worker.observed(self, piece)
        self.generated_tokens += len(piece.token_ids)
        self._pieces.put_nowait(piece)
        if piece.reason:
            self._end(piece.reason, early=False)

    def close(self, reason: str = "abort") -> None:
        """End the job early, if it has not ended: nobody waits, or the answer is complete."""
        if not self._closed:
            self._end(reason, early=True)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """The pieces, as they come.

        Raises:
            InvalidRequest: the library refuses the parameters.
            Failed: the model broke off.
        """
        reason = ""
        while not reason:
            piece = await self._pieces.get()
            reason = piece.reason
            if reason == "error":
                raise refusal(piece, self.request_id)
            yield piece

    def tally(self) -> Tally:
        """What this job adds up to."""
        return Tally(
            finished_reason=self.reason,
            prompt_tokens=len(self.job.token_ids),
            generated_tokens=self.generated_tokens,
            arrived=self.arrived,
            begun=self.begun,
            first_token=self.first_token,
            ended=time.perf_counter(),
        )

    def _end(self, reason: str, *, early: bool) -> None:
        self.reason = reason
        self._closed = True
        self._worker.ended(self, early=early)


def reason_of(error: BaseException) -> str:
    """Why the model could not be loaded, in one line, with what was at the bottom of it."""
    if isinstance(error, BadAdapter):
        return str(error)
    root = root_of(error)
    beneath = "" if root is error else f" ({first_line(root)})"
    return f"the model could not be loaded: {first_line(error)}{beneath}"


def first_line(error: BaseException) -> str:
    """An error with its type, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def root_of(error: BaseException) -> BaseException:
    """What an error comes from: libraries hide a refused certificate behind 'cannot connect'."""
    while beneath := error.__cause__ or error.__context__:
        error = beneath
    return error


def refusal(piece: Piece, request_id: str) -> InvalidRequest | Failed:
    """What the client is told of a job that came to nothing."""
    if piece.invalid:
        return InvalidRequest(piece.error, param="generate_kwargs")
    log.error("request.failed", request_id=request_id, reason=piece.error)
    return Failed("the model broke off; see the server's log")
