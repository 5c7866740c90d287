"""The stages between `kubectl apply` and an answer, each as something that can be seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.bystander import Bystander, holds


async def machine_created(seen: Bystander) -> bool:
    return bool(await seen.machines())


async def pool_requested(seen: Bystander) -> bool:
    return any(each["method"] == "PUT" and each["status"] == 201 for each in await seen.journal())


async def pool_succeeded(seen: Bystander) -> bool:
    return any(pool["state"] == "Succeeded" for pool in await seen.pools())


async def node_ready(seen: Bystander) -> bool:
    return any(holds(node, "Ready") for node in await seen.nodes())


async def pod_running(seen: Bystander) -> bool:
    return any(pod["status"].get("phase") == "Running" for pod in await seen.pods())


async def model_loaded(seen: Bystander) -> bool:
    return any(holds(pod, "Ready") for pod in await seen.pods())


async def workspace_ready(seen: Bystander) -> bool:
    return holds(await seen.workspace(), "WorkspaceReady")


STAGES: tuple[Callable[[Bystander], Awaitable[bool]], ...] = (
    machine_created,
    pool_requested,
    pool_succeeded,
    node_ready,
    pod_running,
    model_loaded,
    workspace_ready,
)
