"""Replay one seed and say what was wrong: `python -m tests.virtual.replay SEED`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from tests.virtual import story


def workload(seed: int) -> story.Workload:
    """What the user does under a seed."""
    return list(story.Workload)[seed % len(story.Workload)]


def replayed(seed: int) -> story.Verdict:
    """The run of a seed: a workload, and faults of all kinds for its first 15 minutes."""
    return story.played(workload(seed), story.storm(seed), seed=seed)


def failures(seeds: Iterable[int]) -> list[str]:
    """For every seed that goes wrong how to see it again, and what goes wrong."""
    found = ((seed, replayed(seed).violations) for seed in seeds)
    return [
        f"python -m tests.virtual.replay {seed}: {'; '.join(violations)}"
        for seed, violations in found
        if violations
    ]


def main() -> int:
    """Replay, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtual.replay", description=__doc__)
    parser.add_argument("seed", type=int)
    seed = parser.parse_args().seed
    verdict = replayed(seed)
    lines = [*verdict.trace, f"seed {seed}: {workload(seed)}", *verdict.violations]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
