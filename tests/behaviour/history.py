"""Every version of every Workspace and pod, in order: what was said in between is seen as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bystander import NAMESPACE, Bystander, Json, condition, holds

WORKSPACES = f"/apis/kaito.sh/v1alpha1/namespaces/{NAMESPACE}/workspaces"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SECONDS = 3000
"""Longer than any test takes."""


class History:
    """The versions that watches have brought so far."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Json]] = {WORKSPACES: [], PODS: []}

    def hear(self, path: str, version: Json) -> None:
        """Keep one more."""
        self._versions[path].append(version)

    def of(self, name: str, *, since: int = 0) -> list[Json]:
        """The versions of one Workspace after a version of anything, in order."""
        return [
            each
            for each in self._versions[WORKSPACES]
            if each["metadata"]["name"] == name and _number(each) > since
        ]

    def shown(self, name: str) -> int:
        """The version in which a pod of a Workspace first showed that something is wrong."""
        return min(
            _number(pod)
            for pod in self._versions[PODS]
            if pod["metadata"].get("labels", {}).get("kaito.sh/workspace") == name
            if _is_sick(pod)
        )

    def reasons(self, name: str, type_: str) -> list[str]:
        """The reasons of a condition, one after the other; the same one in a row counts once."""
        told = [condition(each, type_).get("reason", "") for each in self.of(name)]
        pairs = zip(told, ["", *told], strict=False)
        return [now for now, before in pairs if now and now != before]

    def told(self, name: str, type_: str) -> list[tuple[str, str]]:
        """Reason and message of a condition in each version that has it."""
        found = [condition(each, type_) for each in self.of(name)]
        return [(one["reason"], one["message"]) for one in found if one]

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
    listening = [
        asyncio.create_task(_listen(cluster, path, await cluster.version(path), history))
        for path in (WORKSPACES, PODS)
    ]
    try:
        yield history
    finally:
        cut_off = [each for each in listening if each.done()]
        for each in listening:
            each.cancel()
        await asyncio.wait(listening)
    assert cut_off == []


async def _listen(cluster: Bystander, path: str, since: str, history: History) -> None:
    async for change in cluster.watch(path, since, seconds=_SECONDS):
        history.hear(path, change["object"])


def _number(obj: Json) -> int:
    """Versions of all Kinds are of one sequence."""
    return int(obj["metadata"]["resourceVersion"])


def _is_sick(pod: Json) -> bool:
    """Whether a container of the pod has ended, or cannot be started."""
    states = [
        state
        for each in pod.get("status", {}).get("containerStatuses", [])
        for state in (each.get("state", {}), each.get("lastState", {}))
    ]
    waits = [state["waiting"].get("reason", "") for state in states if "waiting" in state]
    return any("terminated" in state for state in states) or any("Error" in why for why in waits)
