"""The user: a Workspace or two, what is done with them in an hour or two, and what is looked at."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from kaito.api import labels
from kaito.api.workspace import WORKSPACES
from kaito.kube.kinds import NODES, STATEFULSETS
from kaito.kube.objects import Ref
from tests.virtual.api import Api
from tests.virtual.cloud import Arm
from tests.virtual.invariants import SOMEBODY, Judge
from tests.virtual.wire import Json
from tests.virtual.workloads import (
    FIRST_TYPE,
    HALF_WAY,
    RULES,
    SILENT,
    STUCK,
    Workload,
    adapter,
    spec,
)
from tests.virtual.world import World

REF = Ref("default", "w")
OTHER = Ref("default", "v")
"""A second Workspace, which wants the same."""
DELETED = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
LATE_SECONDS = 3600.0
LOOK_SECONDS = 10.0
CLAIMS = ("machines", "nodeclaims")


@dataclass(frozen=True, slots=True)
class User:
    """Who wants something.

    Attributes:
        api: where it is looked at.
        arm: the cloud, which somebody else can get at.
        world: takes what the user sends.
        judge: hears of what the user does not find.
        workload: what is done.
        chance: when.
    """

    api: Api
    arm: Arm
    world: World
    judge: Judge
    workload: Workload
    chance: random.Random

    async def act(self) -> None:
        """Do it all."""
        if self.workload in RULES:
            self.arm.fail(RULES[self.workload])
        self.world.machines.silent = SILENT.get(self.workload, 0)
        await asyncio.sleep(5)
        if self.workload is Workload.BROUGHT:
            bring(self.world, "own-a", "own-b")
            create(self.world, OTHER)
        create(self.world, workload=self.workload)
        if self.workload in STUCK:
            await asyncio.sleep(STUCK[self.workload].seconds)
            self.judge.stuck(STUCK[self.workload])
            delete(self.world)
        elif self.workload in HALF_WAY:
            await self._change_of_mind()
        else:
            await self._go_on()

    async def _go_on(self) -> None:
        """What is done later than that, if anything."""
        match self.workload:
            case Workload.DELETE:
                await asyncio.sleep(500)
                delete(self.world)
            case Workload.ROBBED:
                await self._be_robbed()
            case Workload.ADAPTED:
                await self._adapt()
            case Workload.GROUP:
                await self._lose_group()
                delete(self.world)
            case Workload.GROUP_ROBBED:
                await self._be_robbed(most=1)
                await self._until(self._is_whole)
            case Workload.BROUGHT:
                await self._unlabel()
                delete(self.world)
                await asyncio.sleep(self.chance.uniform(0, 60))
                delete(self.world, OTHER)

    async def _unlabel(self) -> None:
        """Take a label off by hand, when both Workspaces serve: it comes back."""
        await self._until(self._serves)
        node = NODES.path(Ref("", "own-a"))
        self.world.ask("PATCH", node, {"metadata": {"labels": {labels.CREATED_FOR: None}}})
        await self._until(lambda: len(self._holders()) == 2 and self._serves())

    def _holders(self) -> set[str]:
        """Uids that machines are pinned to."""
        carried = [node["metadata"]["labels"] for node in self.api.items("nodes")]
        return {each[labels.CREATED_FOR] for each in carried if labels.CREATED_FOR in each}

    async def _change_of_mind(self) -> None:
        """Delete half-way, and perhaps want it back."""
        await asyncio.sleep(self.chance.uniform(0, 150))
        delete(self.world)
        if self.workload is Workload.AGAIN:
            await asyncio.sleep(self.chance.uniform(200, 700))
            await self._until(lambda: not self.api.items(WORKSPACES.plural))
            create(self.world, workload=self.workload)

    async def _adapt(self) -> None:
        """Name another adapter when the first is there."""
        await self._until(self._serves)
        patch = {"inference": {"adapters": [adapter("first"), adapter("second")]}}
        self.world.ask("PATCH", WORKSPACES.path(REF), patch)
        await self._until(lambda: self._serves() and self._has_adapter("second"))

    async def _lose_group(self) -> None:
        """Somebody deletes the StatefulSet: another takes its place, with pods of its own."""
        await self._until(self._is_whole)
        former = {pod["metadata"]["uid"] for pod in self.api.items("pods")}
        self.world.ask("DELETE", STATEFULSETS.path(REF), {})
        await self._until(lambda: self._is_whole(without=former))

    def _is_whole(self, *, without: Collection[str] = ()) -> bool:
        """Whether two pods serve together, none of them one of these."""
        pods = {pod["metadata"]["uid"] for pod in self.api.items("pods")}
        sets = self.api.items(STATEFULSETS.plural)
        return self._serves() and len(sets) == 1 and len(pods) == 2 and pods.isdisjoint(without)

    async def _be_robbed(self, *, most: int | None = None) -> None:
        """Somebody deletes pools: their claims say so, and in time there are other claims."""
        await self._until(self._serves)
        robbed = set(sorted(self._pools())[:most])
        for name in robbed:
            await self._until(partial(self._is_taken, name))
        await self._until(lambda: any(self._is_robbed(claim) for claim in self._claims()))
        await self._until(lambda: self._serves() and not robbed & self._pools())

    def _is_taken(self, pool: str) -> bool:
        """Whether the cloud lets somebody delete a pool: it may refuse them as well."""
        asked = self.arm.ask("DELETE", pool, None, by=SOMEBODY, sent_at=self.arm.now())
        return asked.status in DELETED

    async def _until(self, look: Callable[[], bool]) -> None:
        """Look now and then; what does not come is noted."""
        for _ in range(int(LATE_SECONDS / LOOK_SECONDS)):
            if look():
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.judge.say("the user waits in vain")

    def _serves(self) -> bool:
        """Whether all Workspaces are ready."""
        found = self.api.items(WORKSPACES.plural)
        return bool(found) and all(_is_ready(each) for each in found)

    def _has_adapter(self, name: str) -> bool:
        """Whether every pod has an adapter."""
        image = adapter(name)["source"]["image"]
        return all(image in json.dumps(pod["spec"]) for pod in self.api.items("pods"))

    def _claims(self) -> list[Json]:
        return [claim for plural in CLAIMS for claim in self.api.items(plural)]

    def _pools(self) -> set[str]:
        return {pool["name"] for pool in self.arm.pools()}

    def _is_robbed(self, claim: Json) -> bool:
        return any(
            each["reason"] == "InstanceGone" and "Delete the claim" in each["message"]
            for each in claim.get("status", {}).get("conditions", [])
        )


def _is_ready(workspace: Json) -> bool:
    return any(
        each["type"] == "WorkspaceReady" and each["status"] == "True"
        for each in (workspace.get("status") or {}).get("conditions", [])
    )


def bring(world: World, *names: str) -> None:
    """Have somebody put machines into the cluster by hand."""
    carried = {**spec(Workload.BROUGHT)["resource"]["labelSelector"]["matchLabels"]}
    for name in names:
        node = {
            "metadata": {"name": name, "labels": {**carried, labels.INSTANCE_TYPE: FIRST_TYPE}},
            "spec": {},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {labels.GPU: "1"},
            },
        }
        world.ask("POST", NODES.path(), node)


def create(world: World, ref: Ref = REF, *, workload: Workload = Workload.CREATE) -> None:
    """Have the user apply a Workspace."""
    manifest = {"metadata": {"name": ref.name, "namespace": ref.namespace}, **spec(workload)}
    world.ask("POST", WORKSPACES.path(namespace=ref.namespace), manifest)


def delete(world: World, ref: Ref = REF) -> None:
    """Have the user delete it."""
    world.ask("DELETE", WORKSPACES.path(ref), {})
