"""Prometheus metrics under the names that vLLM's dashboards use, where they mean the same here."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

LABELS = ("model_name", "engine")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one finished request adds up to."""

    finished_reason: str
    """stop, length, abort or error."""
    prompt_tokens: int
    generated_tokens: int
    queue_seconds: float
    inference_seconds: float


class Metrics:
    """All counters of one server, in a registry of their own."""

    def __init__(self, model_name: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model_name, "engine": "0"}
        ProcessCollector(registry=self.registry)
        self.running = self._gauge("vllm:num_requests_running", "Requests being generated.")
        self.waiting = self._gauge("vllm:num_requests_waiting", "Requests that wait their turn.")
        self.load_seconds = self._gauge(
            "kaito_inference_model_load_seconds",
            "Time that the libraries and the model took to load.",
        )
        self.prompt_tokens = self._counter("vllm:prompt_tokens", "Tokens read.")
        self.generation_tokens = self._counter("vllm:generation_tokens", "Tokens written.")
        self._finished = Counter(
            "vllm:request_success",
            "Requests that ended, by how.",
            (*LABELS, "finished_reason"),
            registry=self.registry,
        )
        for reason in ("stop", "length", "abort", "error"):
            self._finished.labels(**self._labels, finished_reason=reason)
        self.rejected = self._counter("kaito_inference_requests_rejected", "Requests answered 429.")
        self.first_token = self._histogram(
            "vllm:time_to_first_token_seconds", "From arrival to the first token.", SECONDS
        )
        self.between_tokens = self._histogram(
            "vllm:inter_token_latency_seconds", "From one token to the next.", TOKEN_SECONDS
        )
        self.latency = self._histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to the answer.", SECONDS
        )
        self.queue = self._histogram(
            "vllm:request_queue_time_seconds", "From arrival to the begin of generation.", SECONDS
        )
        self.inference = self._histogram(
            "vllm:request_inference_time_seconds", "Time in generation.", SECONDS
        )
        self.request_prompt = self._histogram(
            "vllm:request_prompt_tokens", "Tokens read by one request.", TOKENS
        )
        self.request_generation = self._histogram(
            "vllm:request_generation_tokens", "Tokens written for one request.", TOKENS
        )

    def count(self, tally: Tally) -> None:
        """Add one request that was generated, fully or in part."""
        self._finished.labels(**self._labels, finished_reason=tally.finished_reason).inc()
        self.prompt_tokens.inc(tally.prompt_tokens)
        self.generation_tokens.inc(tally.generated_tokens)
        self.queue.observe(tally.queue_seconds)
        self.inference.observe(tally.inference_seconds)
        self.latency.observe(tally.queue_seconds + tally.inference_seconds)
        self.request_prompt.observe(tally.prompt_tokens)
        self.request_generation.observe(tally.generated_tokens)

    def abort(self) -> None:
        """Add one request whose client left before its turn came."""
        self._finished.labels(**self._labels, finished_reason="abort").inc()

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
