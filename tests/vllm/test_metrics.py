"""Its series by their names, on vLLM's own server after a request."""

from __future__ import annotations

import aiohttp
import pytest

from tests.unit.presets.series import (
    ADAPTER_LABELS,
    ADAPTERS,
    BOTH,
    EVERY_LABEL,
    GONE,
    VLLM_ALONE,
    labels_of,
)

pytestmark = pytest.mark.timeout(300)


async def test_the_series_that_dashboards_ask_for_are_there(http: aiohttp.ClientSession) -> None:
    body = {"prompt": "Hello", "generate_kwargs": {"do_sample": False, "max_new_tokens": 4}}
    async with http.post("/chat", json=body) as response:
        assert response.status == 200

    async with http.get("/metrics") as response:
        found = labels_of(await response.text())

    assert found.keys() >= BOTH | VLLM_ALONE
    assert not found.keys() & GONE
    assert found[ADAPTERS] == ADAPTER_LABELS
    assert all(found[name] >= EVERY_LABEL for name in BOTH - {ADAPTERS})
