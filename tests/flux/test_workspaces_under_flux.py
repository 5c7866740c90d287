"""Workspaces by Flux, as the guide has it: applied, waited for and taken away."""

from __future__ import annotations

import pytest

from tests.bystander import Bystander, condition, holds, until
from tests.flux.stage import Stage, workspace

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SERVED = "phi-3"


async def gone(cluster: Bystander, name: str) -> None:
    """Wait until a Workspace and all that was bought for it are gone."""

    async def nothing() -> bool:
        return await cluster.workspace(name) is None and await cluster.pools() == []

    await until("nothing left", nothing)
    assert await cluster.machines(name) == []


async def test_a_kustomization_becomes_ready_when_the_model_answers_and_not_before(
    stage: Stage,
) -> None:
    stage.repository.files[f"models/{SERVED}.yaml"] = workspace(SERVED)
    revision = await stage.repository.push()
    await stage.follow("kaito")
    await stage.follow("models")
    waited: list[str] = []

    async def ready() -> bool:
        is_ready = await stage.is_ready("models", revision)
        found = await stage.cluster.workspace(SERVED)
        if found and not holds(found, "Ready"):
            assert not is_ready
            waiting = condition(await stage.kustomization("models"), "Ready")
            waited.append(waiting["status"])
        return is_ready and holds(found, "Ready")

    assert await until("the model under Flux", ready)
    assert set(waited) == {"Unknown"}
    status, answer = await stage.cluster.chat({"prompt": "Hello"}, SERVED)
    assert status == 200, answer


async def test_the_operator_is_ready_under_flux(stage: Stage) -> None:
    operator = await stage.kustomization("kaito")

    assert holds(operator, "Ready")
    kept = {each["id"] for each in operator["status"]["inventory"]["entries"]}
    assert "_workspaces.kaito.sh_apiextensions.k8s.io_CustomResourceDefinition" in kept


async def test_a_workspace_that_leaves_the_repository_leaves_no_pool(stage: Stage) -> None:
    del stage.repository.files[f"models/{SERVED}.yaml"]
    stage.repository.files["models/README.md"] = b"# Models\n"

    revision = await stage.repository.push()

    await gone(stage.cluster, SERVED)

    async def ready() -> bool:
        return await stage.is_ready("models", revision)

    assert await until("nothing to wait for", ready)


async def test_a_kustomization_that_is_deleted_leaves_no_pool(stage: Stage) -> None:
    stage.repository.files["more/one.yaml"] = workspace("one")
    await stage.repository.push()
    await stage.follow("more", like="models", path="./more")
    await until("a pool", stage.cluster.pools)

    await stage.unfollow("more")

    await gone(stage.cluster, "one")


async def test_a_stalled_workspace_fails_its_kustomization_at_once(stage: Stage) -> None:
    await stage.cluster.play({"match": {"operation": "PUT"}, "fault": "quota"})
    stage.repository.files["poor/poor.yaml"] = workspace("poor")
    await stage.repository.push()

    await stage.follow("poor", like="models", path="./poor")

    await stage.fails("poor", "stalled resources", "Workspace/default/poor status: 'Failed'")
    told = condition(await stage.cluster.workspace("poor"), "Stalled")
    assert "standardNCSv3Family" in told["message"]
    assert await stage.cluster.pools() == []
    await stage.unfollow("poor")
    await gone(stage.cluster, "poor")
    await stage.cluster.play()


async def test_a_workspace_that_cannot_fit_fails_its_kustomization_with_our_message(
    stage: Stage,
) -> None:
    huge = workspace("huge", inference={"preset": {"name": "falcon-40b"}})
    stage.repository.files["huge/huge.yaml"] = huge
    await stage.repository.push()

    await stage.follow("huge", like="models", path="./huge")

    await stage.fails("huge", "falcon-40b needs one GPU with 90 GiB to serve")
    assert await stage.cluster.workspace("huge") is None


async def test_an_operator_that_leaves_the_repository_leaves_workspaces(stage: Stage) -> None:
    await stage.cluster.play({"match": {"operation": "PUT"}, "fault": "quota"})
    made = await stage.cluster.kubectl("apply", "-f", "-", stdin=workspace("kept").decode())
    assert made.code == 0, made.errors

    await stage.unfollow("kaito")

    async def away() -> bool:
        return await stage.cluster.get("/api/v1/namespaces/kaito-system") is None

    await until("the operator gone", away)
    assert "deletionTimestamp" not in (await stage.cluster.workspace("kept"))["metadata"]
