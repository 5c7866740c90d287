"""Offering objects to the API server, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaito.kube.client import Client
from kaito.kube.errors import KubeError

DRY = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Door:
    """The API server as a user sees it.

    Attributes:
        client: of an administrator.
    """

    client: Client

    async def refusal(self, wire: Mapping[str, object]) -> str:
        """What the server says against creating a Workspace, "" when it would be created."""
        return await self._refusal("POST", collection(wire), wire)

    async def refusal_of_change(
        self, before: Mapping[str, object], after: Mapping[str, object]
    ) -> str:
        """What it says against changing one that is there only while this looks."""
        name = _name(before)
        await self.client.request("POST", collection(before), body=before)
        try:
            stored = await self.client.request("GET", f"{collection(before)}/{name}")
            assert isinstance(stored, dict)
            changed = {**after, "metadata": stored["metadata"]}
            return await self._refusal("PUT", f"{collection(after)}/{name}", changed)
        finally:
            await self.client.request("DELETE", f"{collection(before)}/{name}")

    async def _refusal(self, verb: str, path: str, body: Mapping[str, object]) -> str:
        try:
            await self.client.request(verb, path, params=DRY, body=body)
        except KubeError as error:
            return error.message
        return ""


def collection(wire: Mapping[str, object]) -> str:
    """Where Workspaces of this one's version are."""
    return f"/apis/{wire['apiVersion']}/namespaces/default/workspaces"


def _name(wire: Mapping[str, object]) -> str:
    metadata = wire["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])
