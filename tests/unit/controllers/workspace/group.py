"""A workspace whose model needs both of its nodes, and the Services of such a group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Requirements
from kaito.controllers.workspace.observe import Observed
from kaito.kube.kinds import Service
from kaito.workloads.headless import rendered_headless
from kaito.workloads.service import rendered_service
from tests.unit.controllers.workspace.worlds import CATALOG, PRESET, node, observed, workspace

LARGE = Requirements(gpu_count=2, total_gpu_memory_gib=20, per_gpu_memory_gib=10)
SPREAD = PRESET.model_copy(
    update={
        "images": (PRESET.image.model_copy(update={"parallel": "tensor", "runtime": "vllm"}),),
        "inference": LARGE,
        "distributed": True,
    }
)


def seen(**changes: Any) -> Observed:
    """A look at a workspace whose model needs both of its nodes."""
    two = workspace(
        resource={
            "count": 2,
            "instanceType": "Standard_X",
            "labelSelector": {"matchLabels": {"apps": "phi"}},
        }
    )
    held = two.model_copy(update={"metadata": observed().workspace.metadata})
    nodes = tuple(node({"apps": "phi"}, name=name) for name in ("n1", "n2"))
    return replace(
        observed(workspace=held, nodes=nodes, catalog=Catalog({"phi": SPREAD}, CATALOG.skus)),
        **changes,
    )


def services() -> dict[str, Service]:
    """Both Services, as they are wanted."""
    subject = seen().workspace
    headless = rendered_headless(subject, ports={"torch": 29500, "group": 29501})
    own = rendered_service(subject, target_port=5000, leader="w-0")
    return {
        "headless": Service.model_validate(headless),
        "service": Service.model_validate(own),
    }
