"""Names of vLLM's own series, as https://docs.vllm.ai/en/stable/usage/metrics lists them."""

from __future__ import annotations

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

BOTH = frozenset(
    {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:request_success_total",
        "vllm:time_to_first_token_seconds_count",
        "vllm:inter_token_latency_seconds_count",
        "vllm:request_time_per_output_token_seconds_count",
        "vllm:e2e_request_latency_seconds_count",
        "vllm:request_queue_time_seconds_count",
        "vllm:request_prefill_time_seconds_count",
        "vllm:request_decode_time_seconds_count",
        "vllm:request_inference_time_seconds_count",
        "vllm:request_prompt_tokens_count",
        "vllm:request_generation_tokens_count",
        "vllm:lora_requests_info",
        "vllm:num_requests_waiting_by_reason",
        "vllm:prefix_cache_queries_total",
        "vllm:prefix_cache_hits_total",
        "vllm:num_preemptions_total",
        "vllm:iteration_tokens_total_count",
        "vllm:cache_config_info",
    }
)
"""What both engines have."""
GONE = frozenset(
    {
        "vllm:gpu_cache_usage_perc",
        "vllm:gpu_prefix_cache_queries_total",
        "vllm:gpu_prefix_cache_hits_total",
        "vllm:time_per_output_token_seconds_count",
        "vllm:num_requests_swapped",
        "vllm:cpu_cache_usage_perc",
    }
)
"""What old dashboards ask for."""
EVERY_LABEL = {"model_name", "engine"}
"""Labels of every series; these have others, which are what they say."""
OWN_LABELS = {
    "vllm:request_success_total": {*EVERY_LABEL, "finished_reason"},
    "vllm:num_requests_waiting_by_reason": {*EVERY_LABEL, "reason"},
    "vllm:lora_requests_info": {"max_lora", "running_lora_adapters", "waiting_lora_adapters"},
    "vllm:cache_config_info": {
        *("engine", "block_size", "num_gpu_blocks", "cache_dtype", "enable_prefix_caching"),
    },
}


async def asked(http: aiohttp.ClientSession) -> dict[str, set[str]]:
    """The series of a server after a request, each with its labels."""
    body = {"prompt": "Hello", "generate_kwargs": {"do_sample": False, "max_new_tokens": 4}}
    async with http.post("/chat", json=body) as response:
        assert response.status == 200
    async with http.get("/metrics") as response:
        return labels_of(await response.text())


def assert_named(found: dict[str, set[str]]) -> None:
    """Assert that a server's series are vLLM's, with its labels."""
    assert found.keys() >= BOTH
    assert not found.keys() & GONE
    assert all(found[name] >= OWN_LABELS.get(name, EVERY_LABEL) for name in BOTH)


def labels_of(text: str) -> dict[str, set[str]]:
    """Names of the labels of each series in a page of metrics."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found
