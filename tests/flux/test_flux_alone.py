"""What Flux does where nobody looks after Workspaces: each of these the guide tells of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.bystander import condition, until
from tests.flux.ground import flux_server
from tests.flux.repository import Repository
from tests.flux.stage import Stage, of_the_guide, workspace

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

FORCE = "kustomize.toolkit.fluxcd.io/force"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """An API server whose Flux follows a repository with one Workspace in it."""
    async with flux_server() as cluster:
        files = {"models/one.yaml": workspace("one")}
        async with Repository.serving(cluster, files) as repository:
            stage = Stage(cluster, repository)
            await stage.follow("models", dependsOn=[])
            yield stage


def forced(name: str, **changes: object) -> bytes:
    """A Workspace that Flux may replace."""
    wire = json.loads(workspace(name, **changes))
    wire["metadata"]["annotations"] = {FORCE: "enabled"}
    return json.dumps(wire).encode()


def of_type(instance_type: str) -> dict[str, object]:
    """The field resource for another instance type."""
    return {"instanceType": instance_type, "labelSelector": {}}


@pytest.mark.parametrize("name", ["kaito", "models", "tuning"])
async def test_the_kustomizations_of_the_guide_are_valid(stage: Stage, name: str) -> None:
    text = json.dumps(of_the_guide(name))

    tried = await stage.cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"),
        *("-f", "-"),
        stdin=text,
    )

    assert tried.code == 0, tried.errors


async def test_a_workspace_that_nobody_looks_at_is_waited_for(stage: Stage) -> None:
    async def waited() -> str:
        found = condition(await stage.kustomization("models"), "Healthy")
        return str(found.get("message", ""))

    assert "with a timeout of 45m" in await until("the wait", waited)
    assert (await stage.cluster.workspace("one"))["status"] == {"observedGeneration": -1}
    assert condition(await stage.kustomization("models"), "Ready")["status"] == "Unknown"


async def test_a_fix_is_applied_while_flux_waits(stage: Stage) -> None:
    stage.repository.files["models/two.yaml"] = workspace("two")
    del stage.repository.files["models/one.yaml"]

    await stage.repository.push()

    async def applied() -> bool:
        return (
            await stage.cluster.workspace("two") is not None
            and await stage.cluster.workspace("one") is None
        )

    assert await until("the fix", applied)


async def test_a_change_that_is_not_allowed_fails_the_folder_with_our_message(stage: Stage) -> None:
    before = await stage.cluster.workspace("two")
    other = workspace("two", resource=of_type("Standard_NC24ads_A100_v4"))
    stage.repository.files |= {"models/two.yaml": other, "models/three.yaml": workspace("three")}

    await stage.repository.push()

    await stage.fails("models", "instanceType is immutable: delete the Workspace and create it")
    assert await stage.cluster.workspace("two") == before
    assert await stage.cluster.workspace("three") is None


async def test_a_workspace_that_flux_may_replace_is_replaced(stage: Stage) -> None:
    before = await stage.cluster.workspace("two")
    other = forced("two", resource=of_type("Standard_NC24ads_A100_v4"))
    stage.repository.files["models/two.yaml"] = other

    await stage.repository.push()

    async def replaced() -> bool:
        found = await stage.cluster.workspace("two")
        return bool(found) and found["metadata"]["uid"] != before["metadata"]["uid"]

    assert await until("another Workspace", replaced)
    found = await stage.cluster.workspace("two")
    assert found["resource"]["instanceType"] == "Standard_NC24ads_A100_v4"


async def test_a_workspace_that_flux_may_replace_is_lost_to_a_mistake(stage: Stage) -> None:
    preset = {"name": "phi-3-mini-4k-instruct", "accessMode": "private"}
    wrong = forced(
        "two", resource=of_type("Standard_NC24ads_A100_v4"), inference={"preset": preset}
    )
    stage.repository.files["models/two.yaml"] = wrong

    await stage.repository.push()

    await stage.fails("models", "presetOptions.image must be set when accessMode is private")

    async def lost() -> bool:
        return await stage.cluster.workspace("two") is None

    assert await until("the loss", lost)
