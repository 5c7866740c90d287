"""How long start-up waits for the whole catalogue, and how long one answer of sizing takes."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from kaito.catalog.catalog import read_catalog
from kaito.sizing.fit import fit

PRESETS = Path("presets")
ROUNDS = 15


def milliseconds(work: Callable[[], object]) -> list[float]:
    """Duration of each round, in order of time."""
    found = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        work()
        found.append((time.perf_counter() - before) * 1000)
    return found


def main() -> None:
    """Measure, and print the figures."""
    catalog = read_catalog(PRESETS, origin="upstream")
    models, skus = catalog.models(), tuple(catalog.skus.values())
    reading = milliseconds(lambda: read_catalog(PRESETS, origin="kaito"))
    sizing = milliseconds(lambda: [fit(model, sku) for model in models for sku in skus])
    answers = len(models) * len(skus)
    report = {
        "benchmark": "catalogue",
        "models": len(models),
        "names": len(catalog.presets),
        "skus": len(skus),
        "read_median_ms": round(statistics.median(reading), 2),
        "read_max_ms": round(max(reading), 2),
        "answers": answers,
        "answer_median_us": round(statistics.median(sizing) * 1000 / answers, 1),
    }
    print(f"{report['models']} models, {report['skus']} instance types")
    print(f"read: median {report['read_median_ms']} ms, max {report['read_max_ms']} ms")
    print(f"one answer: {report['answer_median_us']} microseconds")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
