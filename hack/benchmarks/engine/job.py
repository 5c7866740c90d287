"""The job that every operator is given: a status that follows from the spec.

Standard library only: operators of other environments import it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

GROUP, VERSION, PLURAL = "bench.example", "v1", "widgets"
NAMESPACE = "bench"
PART_COUNT = 8
WORKER_COUNT = 32
"""Of our engine: as many as it lets requests be under way. kopf has no limit of its own."""

Kind = Literal["widgets", "nodes"]
"""Widgets are given a status; nodes are only listed and watched."""


@dataclass(frozen=True, slots=True)
class Task:
    """What an operator is started with.

    Attributes:
        kind: of the objects.
        count: of the objects that there are.
        kubeconfig: path of the file that names the API server.
    """

    kind: Kind
    count: int
    kubeconfig: str

    @classmethod
    def read(cls, arguments: Sequence[str]) -> tuple[Task, int]:
        """The task in the arguments of a process, and the file descriptor of its reports."""
        kind, count, kubeconfig, reports = arguments
        return cls("nodes" if kind == "nodes" else "widgets", int(count), kubeconfig), int(reports)

    def arguments(self, reports: int) -> Sequence[str]:
        """What `read` reads."""
        return self.kind, str(self.count), self.kubeconfig, str(reports)


def parts(round: int) -> list[int]:
    """What widgets are made of after `round` changes."""
    return [round + place for place in range(PART_COUNT)]


def spec(round: int) -> dict[str, object]:
    """The spec that widgets have after `round` changes."""
    return {
        "parts": parts(round),
        "labels": {f"key-{place}": f"value-{place}" for place in range(PART_COUNT)},
    }


def status(parts: Sequence[int], generation: int) -> dict[str, object]:
    """The status that belongs to a spec with these parts."""
    total = sum(parts)
    return {
        "observedGeneration": generation,
        "total": total,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Summed",
                "message": f"{len(parts)} parts make {total}",
            }
        ],
    }


def is_settled(item: Mapping[str, object]) -> bool:
    """Whether a widget in wire form has the status that belongs to its spec."""
    metadata, found, wanted = (item.get(name) for name in ("metadata", "status", "spec"))
    if not (isinstance(metadata, dict) and isinstance(found, dict) and isinstance(wanted, dict)):
        return False
    right = status(wanted["parts"], metadata["generation"])
    return all(found.get(name) == value for name, value in right.items())
