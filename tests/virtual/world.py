"""Everybody else in the cluster: nodes join and leave, Deployments get pods, orphans go.

It writes straight into the API in memory, and never fails.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from kaito.kube.transport import Call
from tests.virtual.api import MERGE, NEVER_APPLIED, Api
from tests.virtual.cloud import Arm
from tests.virtual.machines import Machines
from tests.virtual.pods import Pods
from tests.virtual.watching import Event
from tests.virtual.wire import Json

TURN_SECONDS = 1.0
OWNED = ("deployments", "statefulsets", "services", "pods")


class World:
    """The other controllers of a cluster, and its kubelets.

    Attributes:
        machines: those of the cloud's pools.
    """

    def __init__(self, api: Api, arm: Arm) -> None:
        self._api = api
        self._arm = arm
        self._seen = (0, 0)
        self._moved = asyncio.Event()
        self.machines = Machines(api, arm, self.ask)
        self._pods = Pods(api, self.ask, arm.now)
        api.on_event.append(self._hear)
        arm.on_deed.append(lambda _deed: self._moved.set())

    def _hear(self, event: Event) -> None:
        if event.kind.plural not in NEVER_APPLIED:
            self._moved.set()

    async def run(self) -> None:
        """Go on for ever: a second after each change, do what it calls for."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_change()):
                    await self._moved.wait()
            self._moved.clear()
            await asyncio.sleep(TURN_SECONDS)
            self.turn()

    def turn(self) -> None:
        """One second's work, if there is any."""
        is_due = self.machines.seconds_to_change() == 0
        if self._seen == (self._api.version, self._arm.revision()) and not is_due:
            return
        self._seen = (self._api.version, self._arm.revision())
        self.machines.turn()
        self._collect()
        self._pods.turn()

    def _seconds_to_change(self) -> float | None:
        """How long until something comes of itself; None while nothing is going to."""
        waits = (self._arm.seconds_to_change(), self.machines.seconds_to_change())
        return min((each for each in waits if each is not None), default=None)

    def ask(self, method: str, path: str, body: object = None) -> Json:
        """A request of one of them; what it is refused is done next time."""
        text = json.dumps(body).encode() if body is not None else None
        params = {"fieldManager": "world"}
        return self._api.answer(Call(method, path, params, text, MERGE)).body

    def _collect(self) -> None:
        """What belongs to something that is gone goes, too."""
        everything: dict[str, list[Json]] = {
            plural: self._api.items(plural) for plural in (*OWNED, "workspaces")
        }
        nodes = {node["metadata"]["name"] for node in self._api.items("nodes")}
        for pod in everything["pods"]:
            if pod["spec"].get("nodeName", "") not in {"", *nodes}:
                self.remove(pod, "pods")
        uids = {item["metadata"]["uid"] for items in everything.values() for item in items}
        for plural in OWNED:
            for item in everything[plural]:
                owners = item["metadata"].get("ownerReferences", [])
                if owners and not uids & {owner["uid"] for owner in owners}:
                    self.remove(item, plural)

    def remove(self, item: Json, plural: str) -> None:
        """Delete an object."""
        metadata = item["metadata"]
        root = "apis" if "/" in item["apiVersion"] else "api"
        scope = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        self.ask("DELETE", f"/{root}/{item['apiVersion']}{scope}/{plural}/{metadata['name']}", {})
