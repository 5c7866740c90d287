"""Workspaces with adapters."""

from __future__ import annotations

from typing import Any

from kaito.api.workspace import Workspace
from tests.unit.controllers.workspace.worlds import workspace

LEGAL = {"source": {"name": "legal", "image": "r.example/legal:1", "imagePullSecrets": ["team"]}}
POLITE = {"source": {"name": "polite", "image": "r.example/polite:1"}}


def adapted(*adapters: dict[str, Any], generation: int = 1) -> Workspace:
    """A workspace with adapters."""
    metadata = workspace().metadata.model_dump(by_alias=True) | {"generation": generation}
    inference = {"preset": {"name": "phi"}, "adapters": list(adapters)}
    return workspace(inference=inference, metadata=metadata)
