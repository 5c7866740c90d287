"""GET /metrics, GET /healthz, GET /: what probes and Prometheus read."""

from __future__ import annotations

import aiohttp
import pytest

from tests.unit.presets.page import metrics_page
from tests.unit.presets.program import inference_python
from tests.unit.presets.series import BOTH, EVERY_LABEL, OWN_LABELS, asked, assert_named

pytestmark = pytest.mark.timeout(120)


async def samples(http: aiohttp.ClientSession) -> dict[tuple[str, str], float]:
    """Values by sample name and finished_reason or le ("" where it has neither)."""
    return {
        (s.name, s.labels.get("finished_reason") or s.labels.get("le") or ""): s.value
        for s in (await metrics_page(http)).samples
    }


async def test_one_request_is_counted_once_in_every_metric(http: aiohttp.ClientSession) -> None:
    before = await samples(http)
    body = {"prompt": "What is KAITO?", "generate_kwargs": {"do_sample": False, "max_length": 9}}
    async with http.post("/chat", json=body) as response:
        assert response.status == 200

    after = await samples(http)

    def grown(name: str, label: str = "") -> float:
        return after[name, label] - before[name, label]

    assert grown("vllm:request_success_total", "length") == 1
    assert grown("vllm:prompt_tokens_total") + grown("vllm:generation_tokens_total") == 9
    assert grown("vllm:iteration_tokens_total_sum") == 9
    assert grown("vllm:iteration_tokens_total_count") == grown("vllm:generation_tokens_total")
    assert grown("vllm:prefix_cache_queries_total") == grown("vllm:prompt_tokens_total")
    assert grown("vllm:time_to_first_token_seconds_count") == 1
    assert (
        grown("vllm:inter_token_latency_seconds_count") == grown("vllm:generation_tokens_total") - 1
    )
    assert grown("vllm:e2e_request_latency_seconds_count") == 1
    assert grown("vllm:request_queue_time_seconds_count") == 1
    assert grown("vllm:request_generation_tokens_bucket", "+Inf") == 1
    assert after["vllm:num_requests_running", ""] == 0
    assert after["vllm:num_requests_waiting", ""] == 0
    assert after["kaito_inference_model_load_seconds", ""] > 0


async def test_every_request_metric_names_the_model(http: aiohttp.ClientSession) -> None:
    found = await metrics_page(http)

    named = {name for name in BOTH if OWN_LABELS.get(name, EVERY_LABEL) >= EVERY_LABEL}
    labels = [sample.labels for sample in found.samples if sample.name in named]

    assert labels
    assert all(one["model_name"] == "tiny" and one["engine"] == "0" for one in labels)


async def test_a_loaded_server_is_healthy(http: aiohttp.ClientSession) -> None:
    async with http.get("/healthz") as health, http.get("/") as root:
        assert (health.status, await health.json()) == (200, {"status": "Healthy"})
        assert (root.status, await root.json()) == (200, {"message": "Server is running"})


async def test_the_version_is_that_of_the_library_that_generates(
    http: aiohttp.ClientSession,
) -> None:
    library = inference_python().parents[1] / "lib"
    (installed,) = library.glob("python*/site-packages/transformers-*.dist-info")

    async with http.get("/version") as response:
        found = await response.json()

    number = installed.name.removeprefix("transformers-").removesuffix(".dist-info")
    assert found == {"version": number, "engine": "transformers"}


async def test_the_description_has_the_body_of_chat(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as response:
        described = await response.json()

    body = described["paths"]["/chat"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/ChatRequest"}
    assert {"ChatRequest", "GenerateKwargs", "Message"} <= set(described["components"]["schemas"])


async def test_the_series_are_those_of_vllm_with_its_labels(http: aiohttp.ClientSession) -> None:
    assert_named(await asked(http))
