"""What kstatus, and so Flux and kubectl, make of a workspace: its documented order of questions.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from kaito.api.workspace import WorkspaceStatus
from kaito.controllers.workspace.observe import Observed


def statuses(where: WorkspaceStatus) -> dict[str, str]:
    """The conditions by their types."""
    return {one.type: one.status for one in where.conditions}


def kstatus(seen: Observed, where: WorkspaceStatus) -> str:
    """The one word that kstatus has for a workspace with that status."""
    stands = statuses(where)
    if seen.workspace.is_deleting:
        return "Terminating"
    if where.observed_generation != seen.workspace.metadata.generation:
        return "InProgress"
    if stands.get("Reconciling") == "True":
        return "InProgress"
    if stands.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if stands.get("Ready", "True") != "True" else "Current"


def faults(seen: Observed, where: WorkspaceStatus) -> list[str]:
    """What a status says against the contract that kstatus asks of a controller."""
    stands = statuses(where)
    passing = {"Reconciling", "Stalled"} & stands.keys()
    found = {
        "both Reconciling and Stalled": len(passing) > 1,
        "one of them is not True": any(stands[type_] != "True" for type_ in passing),
        "neither Ready nor on the way, or both": (stands["Ready"] == "True") == bool(passing),
        "a type twice": len(stands) != len(where.conditions),
        "a generation that was not looked at": (
            where.observed_generation != seen.workspace.metadata.generation
            or any(one.observed_generation is None for one in where.conditions)
        ),
    }
    return [fault for fault, holds in found.items() if holds]
