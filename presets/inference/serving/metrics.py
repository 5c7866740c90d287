"""Prometheus metrics under the names that vLLM's dashboards use, where they mean the same here."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LABELS = ("model_name", "engine")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
STEP_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
WAITING = ("capacity", "deferred")
REASONS = ("stop", "length", "abort", "error")
CACHE_LABELS = ("engine", "block_size", "num_gpu_blocks", "cache_dtype", "enable_prefix_caching")
ADAPTER_LABELS = ("max_lora", "running_lora_adapters", "waiting_lora_adapters")


@dataclass(frozen=True, slots=True)
class Tally:
    """What one request adds up to; moments are on the clock of time.perf_counter."""

    finished_reason: str
    """stop, length, abort or error."""
    prompt_tokens: int
    generated_tokens: int
    arrived: float
    begun: float | None
    """When it left the queue; None if it never did."""
    first_token: float | None
    ended: float


class Queue(Protocol):
    """What is under way at this moment, by adapter."""

    @property
    def running(self) -> Mapping[str, int]:
        """How many requests are generated."""

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many requests wait for their turn."""

    @property
    def waiting_by_reason(self) -> Mapping[str, int]:
        """The same by what they wait for, `capacity` or `deferred`."""

    @property
    def cache_share(self) -> float:
        """The used part of the KV cache, 0 to 1."""


class Metrics:
    """All counters of one server, in a registry of their own."""

    def __init__(self, model_name: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model_name, "engine": "0"}
        ProcessCollector(registry=self.registry)
        self._running = self._gauge("vllm:num_requests_running", "Requests being generated.")
        self._waiting = self._gauge("vllm:num_requests_waiting", "Requests that wait their turn.")
        self._cache = self._gauge(
            "vllm:kv_cache_usage_perc", "Used part of the KV cache; 1 is all."
        )
        self.load_seconds = self._gauge(
            "kaito_inference_model_load_seconds",
            "Time that the libraries and the model took to load.",
        )
        self._prompt_tokens = self._counter("vllm:prompt_tokens", "Tokens read.")
        self._generation_tokens = self._counter("vllm:generation_tokens", "Tokens written.")
        self._finished = Counter(
            "vllm:request_success",
            "Requests that ended, by how.",
            (*LABELS, "finished_reason"),
            registry=self.registry,
        )
        for reason in REASONS:
            self._finished.labels(**self._labels, finished_reason=reason)
        self.rejected = self._counter("kaito_inference_requests_rejected", "Requests answered 429.")
        self._measure_requests()
        self._measure_steps()

    def _measure_requests(self) -> None:
        self.first_token = self._histogram(
            "vllm:time_to_first_token_seconds", "From arrival to the first token.", SECONDS
        )
        self.between_tokens = self._histogram(
            "vllm:inter_token_latency_seconds", "From one token to the next.", TOKEN_SECONDS
        )
        self._per_token = self._histogram(
            "vllm:request_time_per_output_token_seconds",
            "Mean time from one token of a request to the next.",
            TOKEN_SECONDS,
        )
        self._latency = self._histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to the answer.", SECONDS
        )
        self._queue = self._histogram(
            "vllm:request_queue_time_seconds", "From arrival to the begin of generation.", SECONDS
        )
        self._prefill = self._histogram(
            "vllm:request_prefill_time_seconds", "Until the first token.", SECONDS
        )
        self._decode = self._histogram(
            "vllm:request_decode_time_seconds", "From the first token to the last.", SECONDS
        )
        self._inference = self._histogram(
            "vllm:request_inference_time_seconds", "Time in generation.", SECONDS
        )
        self._request_prompt = self._histogram(
            "vllm:request_prompt_tokens", "Tokens read by one request.", TOKENS
        )
        self._request_generation = self._histogram(
            "vllm:request_generation_tokens", "Tokens written for one request.", TOKENS
        )

    def _measure_steps(self) -> None:
        self._steps = self._histogram(
            "vllm:iteration_tokens_total",
            "Tokens of prompts that one pass through the model read, and those that it wrote.",
            STEP_TOKENS,
        )
        self._queries = self._counter(
            "vllm:prefix_cache_queries", "Tokens of prompts that were looked for in the KV cache."
        )
        self._hits = self._counter(
            "vllm:prefix_cache_hits", "Those that were there already, and not read again."
        )
        self._preemptions = self._counter(
            "vllm:num_preemptions", "Requests that were taken out of the batch, to make room."
        )
        self._reasons = Gauge(
            "vllm:num_requests_waiting_by_reason",
            "Requests that wait: for room (capacity), or for others to have their turn (deferred).",
            (*LABELS, "reason"),
            registry=self.registry,
        )
        self._cache_config = Gauge(
            "vllm:cache_config_info",
            "How the KV cache is divided; its labels say so.",
            CACHE_LABELS,
            registry=self.registry,
        )

    def made(self, tokens: int) -> None:
        """Count one pass through the model; from any thread, as the two below."""
        self._steps.observe(tokens)

    def looked_up(self, tokens: int, found: int) -> None:
        """Count a look for a prompt's beginning in the cache."""
        self._queries.inc(tokens)
        self._hits.inc(found)

    def preempted(self, requests: int) -> None:
        """Count requests that have to begin anew."""
        self._preemptions.inc(requests)

    def watch(self, queue: Queue) -> None:
        """Show what is under way whenever somebody asks."""
        self._running.set_function(lambda: sum(queue.running.values()))
        self._waiting.set_function(lambda: sum(queue.waiting.values()))
        for reason in WAITING:
            self._reasons.labels(**self._labels, reason=reason).set_function(
                functools.partial(_waiting_for, queue, reason)
            )
        self._cache.set_function(lambda: queue.cache_share)
        self._watched = queue

    def show_adapters(self, count: int) -> None:
        """Show which adapters are under way, of so many."""
        self.registry.register(Adapters(self._watched, count))

    def show_cache(self, **config: str) -> None:
        """Show the cache, by the labels of vLLM's own settings: all but `engine`."""
        self._cache_config.labels(engine=self._labels["engine"], **config).set(1)

    def count(self, tally: Tally) -> None:
        """Add one request that was generated, fully, in part or not at all."""
        self._finished.labels(**self._labels, finished_reason=tally.finished_reason).inc()
        if tally.begun is None:
            return
        self._prompt_tokens.inc(tally.prompt_tokens)
        self._generation_tokens.inc(tally.generated_tokens)
        self._queue.observe(max(0.0, tally.begun - tally.arrived))
        self._inference.observe(tally.ended - tally.begun)
        self._latency.observe(tally.ended - tally.arrived)
        self._request_prompt.observe(tally.prompt_tokens)
        self._request_generation.observe(tally.generated_tokens)
        if tally.first_token is not None:
            decoding = tally.ended - tally.first_token
            self._prefill.observe(tally.first_token - tally.begun)
            self._decode.observe(decoding)
            if tally.generated_tokens > 1:
                self._per_token.observe(decoding / (tally.generated_tokens - 1))

    def text(self) -> bytes:
        """Everything in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, LABELS, registry=self.registry).labels(**self._labels)

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(name, documentation, LABELS, registry=self.registry).labels(**self._labels)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        histogram = Histogram(name, documentation, LABELS, registry=self.registry, buckets=buckets)
        return histogram.labels(**self._labels)


def _waiting_for(queue: Queue, reason: str) -> int:
    return queue.waiting_by_reason[reason]


class Adapters(Collector):
    """`vllm:lora_requests_info`: its labels say what is under way, its value says when."""

    def __init__(self, queue: Queue, count: int) -> None:
        self._queue = queue
        self._count = count

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One sample."""
        family = GaugeMetricFamily(
            "vllm:lora_requests_info",
            "Adapters of running and waiting requests.",
            labels=ADAPTER_LABELS,
        )
        names = [
            ",".join(sorted(filter(None, part)))
            for part in (self._queue.running, self._queue.waiting)
        ]
        family.add_metric([str(self._count), *names], time.time())
        yield family
