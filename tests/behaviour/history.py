"""Every version of every Workspace, in order: what was said of it in between is seen as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bystander import NAMESPACE, Bystander, Json, condition, holds

WORKSPACES = f"/apis/kaito.sh/v1alpha1/namespaces/{NAMESPACE}/workspaces"
_SECONDS = 3000
"""Longer than any test takes."""


class History:
    """The versions that a watch has brought so far."""

    def __init__(self) -> None:
        self._versions: list[Json] = []

    def hear(self, version: Json) -> None:
        """Keep one more."""
        self._versions.append(version)

    def of(self, name: str) -> list[Json]:
        """The versions of one Workspace, in order."""
        return [each for each in self._versions if each["metadata"]["name"] == name]

    def reasons(self, name: str, type_: str) -> list[str]:
        """The reasons of a condition, one after the other; the same one in a row counts once."""
        told = [condition(each, type_).get("reason", "") for each in self.of(name)]
        pairs = zip(told, ["", *told], strict=False)
        return [now for now, before in pairs if now and now != before]

    def ever_held(self, name: str) -> set[str]:
        """Conditions that were True in any version."""
        return {
            each["type"]
            for version in self.of(name)
            for each in version.get("status", {}).get("conditions", [])
            if holds(version, each["type"])
        }


@asynccontextmanager
async def recorded(cluster: Bystander) -> AsyncIterator[History]:
    """A history that goes on until the context is left; it must not have been cut off."""
    history = History()
    since = await cluster.version(WORKSPACES)
    listening = asyncio.create_task(_listen(cluster, since, history))
    try:
        yield history
    finally:
        was_cut_off = listening.done()
        listening.cancel()
        await asyncio.wait({listening})
    assert not was_cut_off


async def _listen(cluster: Bystander, since: str, history: History) -> None:
    async for change in cluster.watch(WORKSPACES, since, seconds=_SECONDS):
        history.hear(change["object"])
