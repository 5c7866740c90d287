"""Measure the inference server beside `transformers serve`; the last line is JSON.

Both serve the tiny model on one CPU, with one thread and the same cache; the clients have another.
Both are up the whole time and asked in turns, so that a busier machine is so for both; a figure is
the median of the rounds. Progress goes to stderr; a whole run takes about three minutes and writes
the page in docs/ anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hack.benchmarks.serve.load import Timings, measured
from hack.benchmarks.serve.page import Setting, page, versions
from hack.benchmarks.serve.systems import BATCH_TOKENS, PAGES, SERVER_CPUS, SYSTEMS, System
from hack.cluster import models
from hack.cluster.cache import cache_folder
from hack.environments import NotInstalled, Sources, ensure

PAGE = Path("docs/reference/serving-benchmark.md")
CLIENTS = (1, 8, 32)
SECONDS, ROUNDS = 4.0, 6
QUICK_SECONDS, QUICK_ROUNDS = 0.5, 1
TOKENS = 64
WARM_UP_SECONDS = 2.0
FEWEST = 2
"""Samples that a percentile is made of."""

Row = dict[str, float | None]


def main(argv: Sequence[str]) -> int:
    """Measure, and print the figures; 1 when a request failed."""
    chosen = _chosen(argv)
    try:
        for name in ("inference", "clients"):
            ensure(name, cache_folder(), Sources.read(os.environ))
    except NotInstalled as failure:
        print(failure, file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    rows = figures(chosen.seconds, chosen.rounds)
    if chosen.page:
        setting = Setting(
            versions(cache_folder() / name / "bin" / "python" for name in ("inference", "clients")),
            load=load,
            rounds=chosen.rounds,
            seconds=chosen.seconds,
            tokens=TOKENS,
            batch_tokens=BATCH_TOKENS,
            cache_pages=PAGES,
        )
        chosen.page.write_text(page(rows, setting, today=datetime.now(UTC).date()))
    report = {
        "benchmark": "serve",
        "tokens_a_request": TOKENS,
        "rounds": chosen.rounds,
        "batch_tokens": BATCH_TOKENS,
        "cache_pages": PAGES,
        "aiohttp": version("aiohttp"),
        "rows": rows,
    }
    print(json.dumps(report))
    return int(any(row["errors"] for row in rows))


def _chosen(argv: Sequence[str]) -> argparse.Namespace:
    """The options; a whole run, and no other, writes the page where it belongs."""
    parser = argparse.ArgumentParser(prog="hack/bench serve", description=__doc__)
    parser.add_argument("--seconds", type=float, help=f"of each round; default {SECONDS:g}")
    parser.add_argument("--rounds", type=int, help=f"of each system; default {ROUNDS}")
    parser.add_argument("--quick", action="store_true", help="a little, to see that it works")
    parser.add_argument("--page", type=Path, help=f"write the page here; a whole run writes {PAGE}")
    chosen = parser.parse_args(argv)
    if not (chosen.quick or chosen.seconds or chosen.rounds or chosen.page):
        chosen.page = PAGE
    seconds, rounds = (QUICK_SECONDS, QUICK_ROUNDS) if chosen.quick else (SECONDS, ROUNDS)
    chosen.seconds, chosen.rounds = chosen.seconds or seconds, chosen.rounds or rounds
    return chosen


def figures(seconds: float, rounds: int) -> list[dict[str, object]]:
    """One row for each system and number of clients."""
    folder = cache_folder() / "models" / "tiny-phi-3"
    models.ensure(folder, python=cache_folder() / "inference" / "bin" / "python")
    os.sched_setaffinity(0, set(os.sched_getaffinity(0)) - SERVER_CPUS or SERVER_CPUS)
    found: dict[tuple[str, int], list[Row]] = {}
    with ExitStack() as stack:
        systems = [stack.enter_context(start(folder, TOKENS)) for start in SYSTEMS.values()]
        for system in systems:
            row(system, clients=4, seconds=WARM_UP_SECONDS)
        for clients in CLIENTS:
            for number in range(rounds):
                for system in systems if number % 2 else reversed(systems):
                    one = row(system, clients=clients, seconds=seconds)
                    found.setdefault((system.name, clients), []).append(one)
                    print(f"{system.name}, {clients}: {one}", file=sys.stderr)
    return [
        {"system": name, "clients": clients, **typical(rows)}
        for (name, clients), rows in sorted(found.items())
    ]


def row(system: System, *, clients: int, seconds: float) -> Row:
    """What was found in one round, in the units that people compare."""
    before = system.cpu_seconds()
    timings = asyncio.run(measured(system, clients=clients, seconds=seconds, tokens=TOKENS))
    return {
        "requests_per_second": timings.answers / timings.seconds,
        "tokens_per_second": timings.tokens / timings.seconds,
        "ttft_p50_ms": percentile_ms(timings.first, 50),
        "ttft_p99_ms": percentile_ms(timings.first, 99),
        "itl_p50_ms": percentile_ms(timings.between, 50),
        "cpu_us_per_token": cpu_us(system.cpu_seconds() - before, timings),
        "peak_mb": system.peak_mb(),
        "errors": timings.errors,
    }


def typical(rows: list[Row]) -> Row:
    """The median of each figure over the rounds; of memory the most, of errors all."""
    known = {key: [one for row in rows if (one := row[key]) is not None] for key in rows[0]}
    medians = {
        key: round(statistics.median(values), 2) if values else None
        for key, values in known.items()
    }
    return {**medians, "peak_mb": round(max(known["peak_mb"]), 1), "errors": sum(known["errors"])}


def cpu_us(seconds: float, timings: Timings) -> float | None:
    """CPU time of the server for one token; other programs on the machine change it least."""
    return seconds / timings.tokens * 1e6 if timings.tokens else None


def percentile_ms(seconds: list[float], percent: int) -> float | None:
    """A percentile in milliseconds; None where there is too little to tell."""
    if len(seconds) < FEWEST:
        return None
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
