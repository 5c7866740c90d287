"""Ninety machines at once: how long until all are Ready, and what that costs.

A local cluster of its own, with pools that take five seconds. The claims are Machines that no
Workspace stands behind; the provisioner is the only one who acts on them. Then the same again in
another cluster, whose ARM takes one request a second. Progress goes to stderr; the last line is
JSON, the throttled round under `throttled`. A whole run takes about four minutes and writes the
page in docs/ anew. The exit status is 1 if a pool is left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from hack.benchmarks.provisioner.page import page
from hack.benchmarks.provisioner.rounds import Figures, round_of

WHOLE, QUICK = 90, 3
PAGE = Path("docs/reference/provisioner.md")
THROTTLED = {"limits": [{"perSecond": 1}]}


async def measured(machines: int) -> tuple[Figures, Figures]:
    """Both rounds."""
    free = await round_of({}, machines=machines)
    return free, await round_of(THROTTLED, machines=machines)


def main() -> int:
    """Measure, and print the figures."""
    asked = _parser().parse_args()
    load = os.getloadavg()[0]
    free, throttled = asyncio.run(measured(asked.machines or (QUICK if asked.quick else WHOLE)))
    if asked.page or not (asked.quick or asked.machines):
        text = page(free, throttled, today=datetime.now(UTC).date(), load=load)
        Path(asked.page or PAGE).write_text(text)
    whole = {"benchmark": "provisioner", **asdict(free), "throttled": asdict(throttled)}
    print(json.dumps(whole))
    return 1 if free.pools_left or throttled.pools_left else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hack/bench provisioner", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few, to see that it works")
    parser.add_argument("--machines", type=int, metavar="N", help="so many instead of ninety")
    parser.add_argument("--page", help=f"write the page here; a whole run writes {PAGE}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
