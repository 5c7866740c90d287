"""Flux compares again and again: it undoes what others do, and there is nothing else to undo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.bystander import holds, until
from tests.flux.stage import Stage, comparisons, place, workspace, writes

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

DRAFT = Path(__file__).parents[2] / "manifests" / "examples" / "tuning-phi-3.yaml"

SERVED = "phi-3"
SHORTEST = "100ms"
"""The shortest interval that Flux advises is a minute: an hour is compressed into one or less."""
HOUR = 60
"""Reconciles in an hour at a minute's interval."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(stage: Stage) -> Stage:
    """A stage whose model answers, and is compared with the repository again and again."""
    stage.repository.files[f"models/{SERVED}.yaml"] = workspace(SERVED)
    revision = await stage.repository.push()
    await stage.follow("models", dependsOn=[], interval=SHORTEST)

    async def ready() -> bool:
        return await stage.is_ready("models", revision)

    await until("the model under Flux", ready)
    return stage


async def test_an_hour_of_reconciles_writes_nothing_to_a_workspace(served: Stage) -> None:
    before = await served.cluster.workspace(SERVED)
    seen, done = len(served.requests(SERVED)), await served.reconciles("models")

    async def an_hour_later() -> bool:
        return await served.reconciles("models") >= done + HOUR

    await until("an hour of reconciles", an_hour_later, limit_seconds=240)

    lines = served.requests(SERVED)[seen:]
    assert len(comparisons(lines)) >= HOUR
    assert writes(lines) == []
    assert await served.cluster.workspace(SERVED) == before
    assert before["metadata"]["generation"] == 1


async def test_an_hour_of_reconciles_writes_nothing_to_the_operator(served: Stage) -> None:
    await served.follow("kaito", interval=SHORTEST)

    async def ready() -> bool:
        return holds(await served.kustomization("kaito"), "Ready")

    await until("the operator under Flux", ready)
    applied = await served.inventory("kaito")
    seen, done = len(served.log()), await served.reconciles("kaito")

    async def an_hour_later() -> bool:
        return await served.reconciles("kaito") >= done + HOUR

    await until("an hour of reconciles", an_hour_later, limit_seconds=280)
    await served.change("kaito", interval="1h")

    lines = [line for line in served.log()[seen:] if place(line) in applied]
    assert len(applied) > 25
    assert {place(line) for line in comparisons(lines)} == applied
    assert len(comparisons(lines)) >= (HOUR - 1) * len(applied)
    assert [(place(line), line["verb"]) for line in writes(lines)] == []


async def test_an_hour_over_a_stalled_workspace_writes_nothing_to_it(served: Stage) -> None:
    draft = yaml.safe_load(DRAFT.read_text())
    name = draft["metadata"]["name"]
    draft["metadata"]["namespace"] = "default"
    served.repository.files["drafts/draft.yaml"] = json.dumps(draft).encode()
    await served.repository.push()
    await served.follow(
        "drafts",
        like="models",
        path="./drafts",
        dependsOn=[],
        interval=SHORTEST,
        retryInterval=SHORTEST,
    )
    await served.fails("drafts", "stalled resources", f"Workspace/default/{name} status: 'Failed'")
    before = await served.cluster.workspace(name)
    seen, done = len(served.log()), await served.reconciles("drafts")

    async def an_hour_later() -> bool:
        return await served.reconciles("drafts") >= done + HOUR

    await until("an hour of reconciles", an_hour_later, limit_seconds=280)

    lines = [line for line in served.log()[seen:] if place(line)[1:] == ("default", name)]
    assert len(comparisons(lines)) >= HOUR
    assert writes(lines) == []
    assert await served.cluster.workspace(name) == before
    await served.unfollow("drafts")


async def test_what_somebody_edits_is_put_back(served: Stage) -> None:
    adapter = {"source": {"name": "mine", "image": "registry.example/mine:1"}, "strength": "1.0"}
    patch = {"metadata": {"labels": {"team": "mine"}}, "inference": {"adapters": [adapter]}}

    edited = await served.cluster.kubectl(
        "patch", "workspace", SERVED, "--type=merge", "--patch", json.dumps(patch)
    )

    assert edited.code == 0, edited.errors

    async def put_back() -> bool:
        found = await served.cluster.workspace(SERVED)
        is_as_before = "adapters" not in found["inference"]
        return is_as_before and found["metadata"]["labels"]["team"] == "models"

    assert await until("the edit undone", put_back)

    async def ready() -> bool:
        found = await served.cluster.workspace(SERVED)
        return (
            holds(found, "Ready")
            and found["status"]["observedGeneration"] == found["metadata"]["generation"]
        )

    assert await until("the model", ready)


async def test_a_workspace_that_somebody_deletes_comes_back(served: Stage) -> None:
    # The shortest that Flux takes: while it waits for health it applies nothing.
    await served.change("models", timeout="30s")
    before = await served.cluster.workspace(SERVED)

    deleted = await served.cluster.kubectl("delete", "workspace", SERVED, "--timeout=60s")

    assert deleted.code == 0, deleted.errors

    async def back() -> bool:
        found = await served.cluster.workspace(SERVED)
        return holds(found, "Ready") and found["metadata"]["uid"] != before["metadata"]["uid"]

    assert await until("the model again", back, limit_seconds=200)
    assert len(await served.cluster.pools()) == 1
