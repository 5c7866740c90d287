"""What both processes have logged in a cluster, beside the page of events as a reader has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from hack.cluster.layout import OPERATOR_NAMESPACE, Layout
from tests.bystander import Json

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "events.md"
ROW = re.compile(r"^\| `([\w.]+)` \| ([\w, ]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
EVERYWHERE = frozenset({"event", "level", "timestamp", "exception"})
OF_A_RECONCILE = frozenset({"controller", "namespace", "name", "reconcile"})
OF_A_CLAIM = frozenset({"created_by", "workspace", "workspace_namespace"})
"""Keys that the page tells of above its table."""


@cache
def page() -> dict[str, tuple[set[str], set[str]]]:
    """Levels, as lines have them, and keys of each event that has a meaning on the page."""
    return {
        event: (
            {level.replace("exception", "error") for level in levels.split(", ")},
            set(re.findall(r"`(\w+)`", keys)),
        )
        for event, levels, keys, meaning in ROW.findall(PAGE.read_text())
        if meaning.strip()
    }


def lines(layout: Layout) -> Iterator[str]:
    """Whatever the operator's containers have put out, all runs of them."""
    logs = layout.logs / "pods"
    for path in sorted(logs.glob(f"{OPERATOR_NAMESPACE}_*/*/*.log")):
        written = path.read_text().splitlines()
        for number, line in enumerate(written):
            _, stream, _, text = line.split(" ", 3)
            # A process that is killed may be in the middle of a word.
            if text.endswith("}") or number + 1 < len(written):
                yield text if stream == "stdout" else f"on stderr: {text}"


def unexplained(said: Iterable[str]) -> list[str]:
    """Lines, of each kind one, that are not as the page has them."""
    return sorted({wrong for line in said if (wrong := _wrong(line))})


def _wrong(line: str) -> str:
    try:
        found: Json = json.loads(line)
    except ValueError:
        return f"no line of ours: {line}"
    event = found["event"]
    if event not in page():
        return f"{event} is not on the page"
    levels, keys = page()[event]
    known = keys | EVERYWHERE | OF_A_RECONCILE | OF_A_CLAIM
    if found["level"] not in levels:
        return f"{event} is said at {found['level']}"
    return f"{event} has {sorted(more)}" if (more := found.keys() - known) else ""
