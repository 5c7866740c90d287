"""A server's page of metrics, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


@dataclass(frozen=True)
class Page:
    """What one answer of GET /metrics says.

    Attributes:
        samples: in the page's order.
    """

    samples: Sequence[Sample]

    def value(self, name: str, **labels: str) -> float:
        """The value of the only sample of that name that has these labels."""
        named = (sample for sample in self.samples if sample.name == name)
        (found,) = (sample for sample in named if labels.items() <= sample.labels.items())
        return float(found.value)


async def metrics_page(http: aiohttp.ClientSession) -> Page:
    """What a server says now."""
    async with http.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    families = text_string_to_metric_families(text)
    return Page([sample for family in families for sample in family.samples])
