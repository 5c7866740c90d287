"""The part of a life that only a tuning has: the look at registries, the Job, and its trainer.

Like `lives`, it models what others do, and says nothing of what the plan should be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Requirements
from kaito.controllers.workspace.observe import Observed
from kaito.kube.kinds import Job, Pod
from tests.unit.controllers.workspace.worlds import CATALOG, PRESET, observed, workspace

_DONE = {"outcome": "succeeded", "steps": 12, "loss": 0.5, "image": "r/a:1", "digest": "sha256:9"}
_BROKEN = {
    "outcome": "failed",
    "reason": "DataUnusable",
    "message": "no column text",
    "lasting": True,
}
_COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
_RUNNING: dict[str, Any] = {"running": {}}


def begin_tuning() -> Observed:
    """A tuning that somebody has just created."""
    spec = {
        "preset": {"name": "phi"},
        "method": "lora",
        "input": {"urls": ["https://data.example/x.parquet"]},
        "output": {"image": "r/a:1", "imagePushSecret": "push"},
    }
    resource = {
        "instanceTypes": ["Standard_X", "Standard_Y"],
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }
    needed = Requirements(gpu_count=1, total_gpu_memory_gib=9, per_gpu_memory_gib=9)
    preset = PRESET.model_copy(update={"tuning": needed})
    catalog = Catalog({"phi": preset}, CATALOG.skus)
    subject = workspace(resource=resource, inference=None, tuning=spec)
    return observed(workspace=subject, catalog=catalog)


def is_tuned(seen: Observed) -> bool:
    """The goal: the result is on record, and no node is paid for.

    The trainer's last words, with the digest, may have gone with its node before anybody read them.
    """
    return seen.workspace.status.tuning is not None and not seen.claims


def tuning_helped(seen: Observed) -> Iterator[Observed]:
    """What goes well: the look, the trainer, its next start."""
    for pod in seen.preflights:
        if pod.status.phase != "Succeeded":
            yield replace(seen, preflights=(_in_phase(pod, "Succeeded", {}),))
    if seen.job is None:
        if seen.workspace.tuning and seen.pods:
            yield replace(seen, pods=())
    elif not seen.pods and not seen.job.status.conditions and seen.nodes:
        yield _trained(seen, {"waiting": {"reason": "ContainerCreating"}})
    elif seen.pods and _trainer(seen) != _ended(0, _DONE):
        if _trainer(seen).get("running") is None:
            yield _trained(seen, _RUNNING)
        else:
            ended = _trained(seen, _ended(0, _DONE))
            job = seen.job.model_dump(by_alias=True) | {"status": _COMPLETE}
            yield replace(ended, job=Job.model_validate(job))


def tuning_hurt(seen: Observed) -> Iterator[Observed]:
    """What goes wrong: a registry refuses, the trainer fails, somebody deletes the Job."""
    for pod in seen.preflights:
        if pod.status.phase not in ("Succeeded", "Failed"):
            refused = _ended(1, "tuning.output.image: 401: check imagePushSecret")
            yield replace(seen, preflights=(_in_phase(pod, "Failed", refused),))
    if seen.job:
        yield replace(seen, job=None)
        if seen.pods and _trainer(seen).get("running") is not None:
            yield _trained(seen, _ended(1, _BROKEN))


def tuning_gist(seen: Observed) -> tuple[object, ...]:
    """What tells one moment of a tuning from another."""
    return (
        seen.job is not None and bool(seen.job.status.conditions),
        seen.job is not None,
        tuple((pod.metadata.name, pod.status.phase) for pod in seen.preflights),
        seen.workspace.status.tuning is not None,
        json.dumps(_trainer(seen)) if seen.workspace.tuning and seen.pods else "",
    )


def _trained(seen: Observed, state: dict[str, Any]) -> Observed:
    """The Job's pod with a trainer in some state."""
    assert seen.job
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "w", "uid": seen.job.metadata.uid}
    node = seen.nodes[0].metadata.name if seen.nodes else ""
    pod = {
        "metadata": {"name": "w-0", "namespace": "default", "ownerReferences": [owner]},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [{"name": "trainer", "state": state}]},
    }
    return replace(seen, pods=(Pod.model_validate(pod),))


def _trainer(seen: Observed) -> dict[str, Any]:
    """The state of the trainer, as it was put."""
    state = seen.pods[0].status.container_statuses[0].state
    return state.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def _ended(code: int, note: dict[str, Any] | str) -> dict[str, Any]:
    """A container that has ended with some last words."""
    message = note if isinstance(note, str) else json.dumps(note)
    return {"terminated": {**({"exitCode": code} if code else {}), "message": message}}


def _in_phase(pod: Pod, phase: str, state: dict[str, Any]) -> Pod:
    """A pod that has ended."""
    status = {"phase": phase, "containerStatuses": [{"name": "artifacts", "state": state}]}
    return Pod.model_validate(pod.model_dump(by_alias=True) | {"status": status})
