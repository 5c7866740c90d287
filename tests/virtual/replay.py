"""Replay runs until one goes wrong, and say what was wrong: `python -m tests.virtual.replay PLAN…`.

Plans are named as `tests.virtual.plans` names them; `unseen/AGAIN/*` and `seed/0-40` are several,
and a number alone is a seed. With `--trace` all changes of the last one are told.
"""

from __future__ import annotations

import argparse
import sys

from tests.virtual import plans


def main() -> int:
    """Replay, and return the exit code: 1 when something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtual.replay", description=__doc__)
    parser.add_argument("plans", metavar="PLAN", nargs="+")
    parser.add_argument("--trace", action="store_true", help="tell all changes of the last one")
    asked = parser.parse_args()
    for plan in (each for name in asked.plans for each in plans.expanded(name)):
        verdict = plans.verdict(plan)
        if verdict.violations:
            break
    told = [*(verdict.trace if asked.trace else ()), plan, *verdict.violations]
    sys.stdout.write("\n".join(told) + "\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
