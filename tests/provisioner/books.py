"""ARM's journal, read as an auditor does: what was bought, how often, and how soon after a no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import pairwise

from tests.bystander import Json

CLOCKS_SECONDS = 0.05
"""By how much two clocks may differ over a minute: ARM's and the provisioner's."""

PAUSES: Mapping[int, float] = {HTTPStatus.CONFLICT: 10.0, HTTPStatus.PRECONDITION_FAILED: 2.0}
"""Least seconds after each of these refusals until the same pool is asked for again."""


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


def bought(journal: Iterable[Json], pool: str) -> int:
    """How often a pool was bought; what else was asked was refused, and not too soon."""
    puts = requests(journal, "PUT", pool)
    refused = [each["status"] for each in puts if not each["operationId"]]
    assert set(refused) <= PAUSES.keys()
    least = [PAUSES.get(each["status"], 0.0) - CLOCKS_SECONDS for each in puts]
    assert [pause for pause, wait in zip(gaps(puts), least, strict=False) if pause < wait] == []
    return len(accepted(puts, "PUT", pool))


def history(journal: Iterable[Json], pool: str) -> list[str]:
    """What a pool was asked to become, in order; what was refused is marked."""
    asked = (each for each in journal if each["pool"] == pool)
    words = ((each["operation"], "" if each["operationId"] else " refused") for each in asked)
    return [f"{call}{end}" for call, end in words if call in {"PUT", "DELETE"}]
