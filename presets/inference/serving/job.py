"""What travels between the HTTP side and the model: plain values, no tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from serving.encoder import Encoder

BASE = ""
"""In place of an adapter's name: the model as it is."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn; None where a limit is not set."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A request that was read, checked and found to fit."""

    token_ids: tuple[int, ...]
    max_new_tokens: int
    end_ids: tuple[int, ...]
    """Tokens that end the answer."""
    adapter: str = BASE
    sampling: Sampling | None = None
    """None takes the likeliest token each time."""
    alone: Mapping[str, object] | None = None
    """Keyword arguments of `generate`, for what the batch cannot do; None goes into the batch."""
    seed: int | None = None
    """Of the random numbers; only a job that goes alone has one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of a job since the last piece."""

    token_ids: tuple[int, ...]
    begun: float
    """When the job left the queue, on the clock of time.perf_counter."""
    reason: str = ""
    """stop, length or error with the last piece, "" before."""
    error: str = ""
    """What went wrong, where the reason is error."""
    invalid: bool = False
    """Whether it is the request that is wrong."""


Sink = Callable[[Piece], None]
"""Called in the event loop, once for each piece, in order."""


@dataclass(frozen=True, slots=True)
class Cache:
    """How the KV cache is divided."""

    page_tokens: int
    pages: int
    dtype: str
    is_shared: bool
    """Whether prompts with the same beginning share it."""


class Steps(Protocol):
    """Who is told what the model does, in the thread that does it."""

    def made(self, tokens: int) -> None:
        """One pass through the model: tokens of prompts that it read, and those that it wrote."""

    def looked_up(self, tokens: int, found: int) -> None:
        """The cache was searched for a prompt of so many tokens, and held the first of them."""

    def preempted(self, requests: int) -> None:
        """Requests were taken out of the batch, to begin anew later."""


class Engine(Protocol):
    """A loaded model."""

    @property
    def encoder(self) -> Encoder:
        """Text to tokens and back."""

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names that a request may ask for besides the model's own."""

    @property
    def merged(self) -> str:
        """The adapter that `/chat` answers with; BASE where there is none."""

    @property
    def running(self) -> frozenset[str]:
        """Ids of the jobs that are past the queue."""

    @property
    def cache_share(self) -> float:
        """The used part of the KV cache, 0 to 1."""

    @property
    def cache(self) -> Cache:
        """How the KV cache is divided."""

    def is_deferred(self, job: Job) -> bool:
        """Whether a job that waits waits for others to have had their turn, not for room."""

    @property
    def failure(self) -> str:
        """Why nothing can be generated any more; "" as long as it can."""

    def begin(self, id: str, job: Job, sink: Sink) -> None:
        """Put a job in line; call it in the event loop that the sink belongs to."""

    def cancel(self, id: str, job: Job) -> None:
        """Give a job up; its sink is not called again."""
