"""The Job of a Workspace that tunes."""

from __future__ import annotations

from typing import Any

from kaito.api.workspace import Workspace
from kaito.workloads.carrier import PLAIN_CARRIER, Carrier
from kaito.workloads.tuning import rendered_tuning
from tests.unit.controllers.workspace.worlds import PRESET, workspace

TUNING: dict[str, Any] = {
    "preset": {"name": "phi"},
    "method": "QLoRA",
    "input": {"urls": ["https://a.example/one.parquet", "https://a.example/two.jsonl"]},
    "output": {"image": "r.example/team/adapter:1", "imagePushSecret": "push.me"},
}


def tuner(**changes: Any) -> Workspace:
    """A Workspace that tunes, with something else in its tuning."""
    return workspace(inference=None, tuning={**TUNING, **changes})


def rendered(subject: Workspace, *, carrier: Carrier = PLAIN_CARRIER) -> Any:
    """The Job of one."""
    return rendered_tuning(subject, PRESET, registry="", carrier=carrier)
