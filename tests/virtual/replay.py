"""Replay one run and say what was wrong: `python -m tests.virtual.replay PLAN`.

A plan is named as `tests.virtual.plans` names it; a number alone is a seed.
"""

from __future__ import annotations

import argparse
import sys

from tests.virtual import plans


def main() -> int:
    """Replay, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtual.replay", description=__doc__)
    parser.add_argument("plan")
    asked = parser.parse_args().plan
    plan = f"seed/{asked}" if asked.isdecimal() else asked
    verdict = plans.verdict(plan)
    lines = [*verdict.trace, plan, *verdict.violations]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
