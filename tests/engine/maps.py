"""ConfigMaps of one test: how others change them, and an informer that follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from kaito.kube.backoff import Backoff
from kaito.kube.client import Client
from kaito.kube.informer import Informer
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.reflector import Patience, Selection
from kaito.kube.resource import Resource
from tests.bystander import LIMIT_SECONDS


class ConfigMap(KubeObject):
    """A ConfigMap."""

    data: dict[str, str] = {}


CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ConfigMap)
GROUP = "engine-test"

Change = tuple[str, str | None, str | None]
"""Name, value before, value after."""


@dataclass(frozen=True, slots=True)
class Maps:
    """The ConfigMaps that carry one label.

    Attributes:
        client: reaches the server directly.
        group: value of the label.
    """

    client: Client
    group: str

    @property
    def labels(self) -> str:
        """Selects them."""
        return f"{GROUP}={self.group}"

    def ref(self, name: str) -> Ref:
        """Where the one of that name is."""
        return Ref("default", f"{self.group}-{name}")

    def wire(self, name: str, value: str) -> Mapping[str, object]:
        """One, on its way to the server."""
        ref = self.ref(name)
        metadata = {"name": ref.name, "namespace": ref.namespace, "labels": {GROUP: self.group}}
        return {"metadata": metadata, "data": {"value": value}}

    async def create(self, name: str, value: str = "1") -> ConfigMap:
        """Make one."""
        return await self.client.create(CONFIG_MAPS, self.wire(name, value))

    async def change(self, name: str, value: str) -> ConfigMap:
        """Give one another value."""
        return await self.client.merge_patch(
            CONFIG_MAPS, self.ref(name), {"data": {"value": value}}
        )

    async def delete(self, name: str) -> None:
        """Remove one."""
        assert await self.client.delete(CONFIG_MAPS, self.ref(name))

    async def state(self) -> dict[str, str]:
        """What the server has."""
        items = await self.client.list(CONFIG_MAPS, namespace="default", labels=self.labels)
        return values(items)


def values(items: tuple[ConfigMap, ...]) -> dict[str, str]:
    """Names and values."""
    return {each.metadata.name: each.data["value"] for each in items}


@dataclass(slots=True)
class Follower:
    """An informer at work, and what it told.

    Attributes:
        informer: the informer.
        changes: what its handlers were told, in order.
        heard: set at each change.
    """

    informer: Informer[ConfigMap]
    changes: list[Change] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        """Take note of a change."""
        named = new or old
        assert named
        before, after = (each.data["value"] if each else None for each in (old, new))
        self.changes.append((named.metadata.name.rpartition("-")[2], before, after))
        self.heard.set()

    async def until_synced(self) -> None:
        """Wait for the first whole list."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.informer.synced.wait()

    async def until(self, state: Mapping[str, str]) -> None:
        """Wait until the store holds exactly this."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while self.state != state:
                self.heard.clear()
                await self.heard.wait()

    async def until_told(self, count: int) -> None:
        """Wait for that many changes."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.changes) < count:
                self.heard.clear()
                await self.heard.wait()

    @property
    def state(self) -> Mapping[str, str]:
        """What the store holds now."""
        return values(self.informer.store.list())

    @property
    def told(self) -> dict[str, str]:
        """What a handler believes that there is, from the changes alone."""
        known: dict[str, str] = {}
        for name, before, after in self.changes:
            assert known.get(name) == before
            if after is None:
                del known[name]
            else:
                known[name] = after
        return known


@asynccontextmanager
async def following(
    client: Client, maps: Maps, *, idle_seconds: float = 30.0
) -> AsyncIterator[Follower]:
    """An informer of these ConfigMaps that has its first list.

    A silent link is given up after `idle_seconds`: a slow server is not to be taken for one.
    """
    informer = Informer(client, CONFIG_MAPS, selection=Selection("default", maps.labels))
    async with running(informer, idle_seconds=idle_seconds) as follower:
        await follower.until_synced()
        yield follower


@asynccontextmanager
async def running(
    informer: Informer[ConfigMap], *, idle_seconds: float = 30.0
) -> AsyncIterator[Follower]:
    """An informer at work, less patient than it is by default."""
    informer.patience = Patience(
        idle_seconds=idle_seconds, backoff=Backoff(first_seconds=0.05, cap_seconds=0.2)
    )
    follower = Follower(informer)
    informer.on_change(follower.hear)
    task = asyncio.create_task(informer.run())
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
