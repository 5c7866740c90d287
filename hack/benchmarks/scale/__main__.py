"""Workspaces created at once: how long until all are ready, beside the floor.

The floor is a bare script that makes the same objects with the same HTTP client and as many
requests in flight, and checks nothing; it is timed to the same end, on the same servers and the
same infrastructure. Servers are started anew for each figure. In a whole run figures are medians of
three runs, ours and the floor's in turn. Progress goes to stderr; the last line is JSON with a row
for each number of workspaces. A whole run takes about twenty minutes and writes the page in docs/
anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from hack.benchmarks.scale.arrivals import Late
from hack.benchmarks.scale.page import UPSTREAM, page
from hack.benchmarks.scale.programs import imports_mb
from hack.benchmarks.scale.rows import RUNS, Row, median_row, row

WHOLE = {"instant": (1, 20, 100, 300, 1000), "pools": (1, 20, 90)}
QUICK = {"instant": (3,), "pools": (1,)}
PAGE = Path("docs/reference/scale.md")


async def measured(wanted: Mapping[str, Sequence[int]], *, runs: int) -> Sequence[Row]:
    """All rows, in order."""
    imported = await imports_mb()
    rows = []
    for infrastructure, counts in wanted.items():
        for count in counts:
            each = [
                await row(infrastructure, count, imports_mb=imported, say=_say) for _ in range(runs)
            ]
            found = median_row(each)
            _say(_beside(found))
            rows.append(found)
    return rows


def main() -> int:
    """Measure, and print what was found."""
    asked = _parser().parse_args()
    is_part = asked.instant is not None or asked.pools is not None
    wanted: Mapping[str, Sequence[int]] = QUICK if asked.quick else WHOLE
    if is_part:
        wanted = {"instant": asked.instant or (), "pools": asked.pools or ()}
    runs = asked.runs or (1 if asked.quick else RUNS)
    load = os.getloadavg()[0]
    try:
        rows = asyncio.run(measured(wanted, runs=runs))
    except Late as failure:
        _say(f"not all workspaces became ready: {failure}")
        return 1
    if asked.page or not (asked.quick or is_part):
        text = page(rows, today=datetime.now(UTC).date(), load=load, runs=runs)
        Path(asked.page or PAGE).write_text(text)
    found = {"benchmark": "scale", "runs": runs, "rows": [asdict(each) for each in rows]}
    print(json.dumps(found))
    return 0


def _beside(row: Row) -> str:
    """A row in words, with the figures of upstream where there are any."""
    said = (
        f"{row.infrastructure} {row.n}: {row.ready_seconds} s, {row.ratio} x the floor of"
        f" {row.floor_seconds} s; {row.requests_per_workspace} requests each,"
        f" {row.above_imports_mb} MiB above imports"
    )
    if row.infrastructure != "instant" or row.n not in UPSTREAM:
        return said
    whole, floor = UPSTREAM[row.n]
    return f"{said}; upstream v0.12: {whole} s, its floor {floor} s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hack/bench scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few, to see that it works")
    parser.add_argument("--runs", type=int, help=f"of each row; {RUNS} unless it is quick")
    parser.add_argument("--page", help=f"write the page here; a whole run writes {PAGE}")
    for name in WHOLE:
        parser.add_argument(f"--{name}", type=_counts, metavar="N,N", help="only these numbers")
    return parser


def _counts(text: str) -> Sequence[int]:
    return tuple(int(word) for word in text.split(","))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
