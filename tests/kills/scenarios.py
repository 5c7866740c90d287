"""What is asked of the controller while it is killed: each has a beginning, a wish and a goal."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.bystander import Bystander, holds, quick_start
from tests.kills.surroundings import DEPLOYED, WORKSPACES, Surroundings
from tests.takeover.life import MERGE

Json = Any

NAME = "phoenix"
SCARCE, PLENTY = "Standard_NC6s_v3", "Standard_NC4as_T4_v3"
NO_QUOTA = {"match": {"operation": "PUT", "vmSize": SCARCE}, "fault": "quota"}
ADAPTER = {"source": {"name": "tone", "image": "registry.example/adapters/tone:1"}}


@dataclass(frozen=True)
class Scene:
    """What scenarios act on."""

    cluster: Bystander
    around: Surroundings

    async def create(self, **changes: object) -> None:
        """Create the quick start under our name, with changes."""
        await self.around.ground.client.request(
            "POST", WORKSPACES, body=json.loads(quick_start(NAME, **changes))
        )

    async def change(self, patch: Json) -> None:
        """Change the Workspace."""
        where = f"{WORKSPACES}/{NAME}"
        await self.around.ground.client.request("PATCH", where, body=patch, content_type=MERGE)

    async def delete(self) -> None:
        """Delete the Workspace."""
        await self.around.ground.client.request("DELETE", f"{WORKSPACES}/{NAME}")

    async def ready(self) -> Json:
        """The Workspace where it is ready for the spec as it stands, else None."""
        found = await self.cluster.workspace(NAME)
        if not found or not holds(found, "Ready"):
            return None
        current = found["status"]["observedGeneration"] == found["metadata"]["generation"]
        return found if current else None

    async def gone(self) -> bool:
        """Whether nothing of it is left."""
        there = await self.cluster.workspace(NAME)
        return not (there or await self.cluster.machines(NAME) or await self.cluster.pools())


Act = Callable[[Scene], Awaitable[None]]
Goal = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Scenario:
    """One thing that happens.

    Attributes:
        about: in a few words.
        wish: what sets it off.
        goal: whether the controller has done what follows from it.
        bought: how many claims and machines it costs, the beginning included.
        begin: what is there before; without any kill.
    """

    about: str
    wish: Act
    goal: Goal
    bought: int
    begin: Act | None = None


def _resource(**fields: object) -> dict[str, object]:
    return {"labelSelector": {"matchLabels": {"apps": NAME}}, **fields}


async def _create(scene: Scene) -> None:
    await scene.create()


async def _create_two(scene: Scene) -> None:
    preset = {"preset": {"name": "phi-4-mini-instruct"}}
    resource = _resource(instanceType="Standard_NV12ads_A10_v5", count=2)
    await scene.create(resource=resource, inference=preset)


async def _create_choosy(scene: Scene) -> None:
    await scene.cluster.play(NO_QUOTA)
    await scene.create(resource=_resource(instanceTypes=[SCARCE, PLENTY]))


async def _silence(scene: Scene) -> None:
    (node,) = (await scene.cluster.workspace(NAME))["status"]["workerNodes"]
    await scene.around.silence(node)


async def _adapt(scene: Scene) -> None:
    await scene.change({"inference": {"adapters": [ADAPTER]}})


async def _delete(scene: Scene) -> None:
    await scene.delete()


async def _ready(scene: Scene) -> object:
    return await scene.ready()


async def _ready_elsewhere(scene: Scene) -> bool:
    found = await scene.ready()
    return bool(found) and found["status"]["instanceType"] == PLENTY


async def _replaced(scene: Scene) -> bool:
    places = [
        one["metadata"]["annotations"]["kaito.sh/claim"]
        for one in await scene.cluster.machines(NAME)
    ]
    return places == ["0/1"] and bool(await scene.ready())


async def _adapted(scene: Scene) -> bool:
    (workload,) = await scene.cluster.items(DEPLOYED)
    return "adapters/tone:1" in json.dumps(workload["spec"]) and bool(await scene.ready())


async def _gone(scene: Scene) -> bool:
    return await scene.gone()


SCENARIOS = (
    Scenario("two nodes are created", _create_two, _ready, 2),
    Scenario("the first type has no quota", _create_choosy, _ready_elsewhere, 2),
    Scenario("a node is lost", _silence, _replaced, 2, begin=_create),
    Scenario("the list of adapters changes", _adapt, _adapted, 1, begin=_create),
    Scenario("it is deleted", _delete, _gone, 1, begin=_create),
)
