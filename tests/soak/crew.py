"""Runs on all processors: each plan is played in one of a few processes, which are made once."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from tests.virtual import plans

CHUNK = 4


@dataclass(frozen=True, slots=True)
class Crew:
    """Processes that play plans."""

    pool: ProcessPoolExecutor

    def failures(self, todo: Sequence[str]) -> list[str]:
        """For every plan that goes wrong how to see it again, and what goes wrong."""
        assert todo, "there is nothing to play"
        return [said for said in self.pool.map(plans.failure, todo, chunksize=CHUNK) if said]


@contextmanager
def crew() -> Iterator[Crew]:
    """As many processes as there are processors."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([plans.__name__])
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=_settle) as pool:
        yield Crew(pool)


def _settle() -> None:
    """What is imported by now stays for ever: the collector need not walk it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
