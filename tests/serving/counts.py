"""What our counters say of a batch beside what the library itself says of it, in one process.

Run in the inference environment: `python counts.py MODEL`. The library speaks through its log
and through the model, whose every call is seen by a hook of torch's. Standard output has one JSON
object: `ours` and `library`, each with the same keys.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "presets" / "inference"))

from serving.batch import Batch, BatchSize
from serving.job import Job, Piece
from serving.memory import PAGE_TOKENS
from serving.metrics import Metrics
from transformers import AutoModelForCausalLM

WRITTEN = 8
PAGES = 4
LONG = tuple(5 + place % 200 for place in range(2 * PAGE_TOKENS - 4))
"""Two pages but for four tokens: two of these fill the cache, and do not stay in it."""
OTHER = LONG[::-1]
PREFIX_MATCH = re.compile(r"prefix match of (\d+) tokens")
OFFLOADED = re.compile(r"Offloaded (\d+) requests")


class Listener(logging.Handler):
    """Adds up what the library's log says."""

    def __init__(self) -> None:
        super().__init__()
        self.matched = self.offloaded = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line."""
        text = record.getMessage()
        self.matched += sum(int(number) for number in PREFIX_MATCH.findall(text))
        self.offloaded += sum(int(number) for number in OFFLOADED.findall(text))


async def answer(batch: Batch, id: str, tokens: tuple[int, ...]) -> None:
    """Have a job done, to its end."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def sink(piece: Piece) -> None:
        if piece.reason:
            loop.call_soon_threadsafe(over.set)

    batch.begin(id, Job(token_ids=tokens, max_new_tokens=WRITTEN, end_ids=()), sink)
    await over.wait()


async def ask(batch: Batch) -> None:
    """One prompt twice, of which the second finds a page; then two for which there is no room."""
    await answer(batch, "first", LONG)
    await answer(batch, "again", LONG)
    with batch.pause():
        both = [asyncio.create_task(answer(batch, id, OTHER[at:])) for at, id in enumerate("ab")]
        await asyncio.sleep(0)
    await asyncio.gather(*both)


def main(model: str) -> None:
    """Ask, and print both accounts."""
    listener = Listener()
    log = logging.getLogger("ContinuousBatchingLogger")
    log.setLevel(logging.DEBUG)
    log.addHandler(listener)
    loaded = AutoModelForCausalLM.from_pretrained(model).eval()
    metrics = Metrics("tiny")
    size = BatchSize(requests=4, tokens=4 * PAGE_TOKENS, pages=PAGES)
    batch = Batch(loaded, size, switch=lambda _: None, shared=True, steps=metrics)
    read: list[int] = []

    def see(_: Any, positional: Any, named: Any) -> None:
        read.append(int((named["input_ids"] if positional == () else positional[0]).numel()))

    loaded.register_forward_pre_hook(see, with_kwargs=True)
    batch.start()
    asyncio.run(ask(batch))
    value = metrics.registry.get_sample_value
    labels = {"model_name": "tiny", "engine": "0"}
    ours = {
        "hits": value("vllm:prefix_cache_hits_total", labels),
        "queries": value("vllm:prefix_cache_queries_total", labels),
        "preemptions": value("vllm:num_preemptions_total", labels),
        "steps": value("vllm:iteration_tokens_total_count", labels),
        "tokens": value("vllm:iteration_tokens_total_sum", labels),
    }
    library = {
        "hits": listener.matched,
        "preemptions": listener.offloaded,
        "steps": len(read),
        "read": sum(read),
    }
    asked = 2 * len(LONG) + 2 * len(OTHER) - 1
    json.dump({"ours": ours, "library": library, "asked": asked, "requests": 4}, sys.stdout)
    sys.stdout.flush()
    # Not waiting for the batch's thread, which waits for more.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
