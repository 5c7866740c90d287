"""Measure the inference server beside `transformers serve`; the last line is JSON.

Both serve the tiny model on one CPU, with one thread and the same cache; the clients have another.
Each is started twice, in the order A B B A, so that neither has the quieter machine. Progress goes
to stderr; a whole run takes about three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version

from hack.benchmarks.serve.load import Timings, measured
from hack.benchmarks.serve.systems import BATCH_TOKENS, OWN, PAGES, PEER, SERVER_CPUS, SYSTEMS
from hack.cluster import models
from hack.cluster.cache import cache_folder
from hack.environments import NotInstalled, Sources, ensure

CLIENTS = (1, 8, 32)
TOKENS = 64
WARM_UP_SECONDS = 2.0
FEWEST = 2
"""Samples that a percentile is made of."""
ORDER = (OWN, PEER, PEER, OWN)

Cell = tuple[str, int]


def main(argv: Sequence[str]) -> int:
    """Measure, and print the figures; 1 when a request failed."""
    parser = argparse.ArgumentParser(prog="hack/bench serve", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round; default 8")
    seconds: float = parser.parse_args(argv).seconds
    try:
        for name in ("inference", "clients"):
            ensure(name, cache_folder(), Sources.read(os.environ))
    except NotInstalled as failure:
        print(failure, file=sys.stderr)
        return 1
    rows = figures(seconds)
    report = {
        "benchmark": "serve",
        "tokens_a_request": TOKENS,
        "batch_tokens": BATCH_TOKENS,
        "cache_pages": PAGES,
        "aiohttp": version("aiohttp"),
        "rows": rows,
    }
    print(json.dumps(report))
    return int(any(row["errors"] for row in rows))


def figures(seconds: float) -> list[dict[str, object]]:
    """One row for each system and number of clients."""
    folder = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(folder, python=cache_folder() / "inference" / "bin" / "python")
    found: dict[Cell, Timings] = {}
    peaks: dict[Cell, float] = {}
    os.sched_setaffinity(0, set(os.sched_getaffinity(0)) - SERVER_CPUS or SERVER_CPUS)
    for name in ORDER:
        with SYSTEMS[name](folder, TOKENS) as system:
            asyncio.run(measured(system, clients=4, seconds=WARM_UP_SECONDS, tokens=TOKENS))
            for clients in CLIENTS:
                cell = (name, clients)
                timings = asyncio.run(
                    measured(system, clients=clients, seconds=seconds, tokens=TOKENS)
                )
                found.setdefault(cell, Timings()).add(timings)
                peaks[cell] = max(peaks.get(cell, 0.0), system.peak_mb())
                print(f"{name}, {clients}: {row(cell, timings, peaks[cell])}", file=sys.stderr)
    return [row(cell, found[cell], peaks[cell]) for cell in sorted(found)]


def row(cell: Cell, timings: Timings, peak_mb: float) -> dict[str, object]:
    """What was found, in the units that people compare."""
    return {
        "system": cell[0],
        "clients": cell[1],
        "requests_per_second": round(timings.answers / timings.seconds, 2),
        "tokens_per_second": round(timings.tokens / timings.seconds, 1),
        "ttft_p50_ms": percentile_ms(timings.first, 50),
        "ttft_p99_ms": percentile_ms(timings.first, 99),
        "itl_p50_ms": percentile_ms(timings.between, 50),
        "peak_mb": round(peak_mb, 1),
        "errors": timings.errors,
    }


def percentile_ms(seconds: list[float], percent: int) -> float | None:
    """A percentile in milliseconds; None where there is too little to tell."""
    if len(seconds) < FEWEST:
        return None
    return round(statistics.quantiles(seconds, n=100)[percent - 1] * 1000, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
