"""ARM's journal, read as an auditor does: what was bought, how often, and how soon after a no."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from tests.bystander import Json

CLOCKS_SECONDS = 0.05
"""By how much two clocks may differ over a minute: ARM's and the provisioner's."""


def requests(journal: Iterable[Json], operation: str, pool: str) -> list[Json]:
    """What was asked about a pool, in order."""
    return [each for each in journal if (each["operation"], each["pool"]) == (operation, pool)]


def accepted(journal: Iterable[Json], operation: str, pool: str) -> list[Json]:
    """Those of them that were carried out; one whose answer was lost, too."""
    return [each for each in requests(journal, operation, pool) if each["operationId"]]


def gaps(entries: Sequence[Json]) -> list[float]:
    """Seconds from each request to the next."""
    times = [datetime.fromisoformat(each["time"]) for each in entries]
    return [(b - a).total_seconds() for a, b in pairwise(times)]
