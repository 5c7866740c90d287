"""Flux compares again and again: it undoes what others do, and there is nothing else to undo."""

from __future__ import annotations

import json

import pytest

from tests.bystander import holds, until
from tests.flux.stage import Stage, comparisons, workspace, writes

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SERVED = "phi-3"
SHORTEST = "1s"
"""The shortest interval that Flux advises is a minute: compressed sixty times."""
HOUR = 60
"""Reconciles in an hour at that interval."""


async def test_an_hour_of_reconciles_writes_nothing_to_a_workspace(stage: Stage) -> None:
    stage.repository.files[f"models/{SERVED}.yaml"] = workspace(SERVED)
    revision = await stage.repository.push()
    await stage.follow("models", dependsOn=[], interval=SHORTEST)

    async def ready() -> bool:
        return await stage.is_ready("models", revision)

    await until("the model under Flux", ready)
    before = await stage.cluster.workspace(SERVED)
    seen, done = len(stage.requests(SERVED)), await stage.reconciles("models")

    async def an_hour_later() -> bool:
        return await stage.reconciles("models") >= done + HOUR

    await until("an hour of reconciles", an_hour_later, limit_seconds=240)

    lines = stage.requests(SERVED)[seen:]
    assert len(comparisons(lines)) >= HOUR
    assert writes(lines) == []
    assert await stage.cluster.workspace(SERVED) == before
    assert before["metadata"]["generation"] == 1


async def test_what_somebody_edits_is_put_back(stage: Stage) -> None:
    adapter = {"source": {"name": "mine", "image": "registry.example/mine:1"}, "strength": "1.0"}
    patch = {"metadata": {"labels": {"team": "mine"}}, "inference": {"adapters": [adapter]}}

    edited = await stage.cluster.kubectl(
        "patch", "workspace", SERVED, "--type=merge", "--patch", json.dumps(patch)
    )

    assert edited.code == 0, edited.errors

    async def put_back() -> bool:
        found = await stage.cluster.workspace(SERVED)
        is_as_before = "adapters" not in found["inference"]
        return is_as_before and found["metadata"]["labels"]["team"] == "models"

    assert await until("the edit undone", put_back)

    async def ready() -> bool:
        found = await stage.cluster.workspace(SERVED)
        return (
            holds(found, "Ready")
            and found["status"]["observedGeneration"] == found["metadata"]["generation"]
        )

    assert await until("the model", ready)


async def test_a_workspace_that_somebody_deletes_comes_back(stage: Stage) -> None:
    # The shortest that Flux takes: while it waits for health it applies nothing.
    await stage.change("models", timeout="30s")
    before = await stage.cluster.workspace(SERVED)

    deleted = await stage.cluster.kubectl("delete", "workspace", SERVED, "--timeout=60s")

    assert deleted.code == 0, deleted.errors

    async def back() -> bool:
        found = await stage.cluster.workspace(SERVED)
        return holds(found, "Ready") and found["metadata"]["uid"] != before["metadata"]["uid"]

    assert await until("the model again", back)
    assert len(await stage.cluster.pools()) == 1
