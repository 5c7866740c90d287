"""Everything that claims ever say of themselves, seen by a watch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from kaito.kube.client import Client
from kaito.kube.errors import Unavailable
from tests.claims import KINDS, Kind

LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Told:
    """One condition, as it stood at some time."""

    type: str
    status: str
    reason: str
    message: str


@dataclass
class Witness:
    """What was seen.

    Attributes:
        told: all that each claim's conditions said, by the claim's name, in order.
        gone: names of the claims that were released.
    """

    client: Client
    told: dict[str, list[Told]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def latest(self, name: str, type: str) -> Told | None:
        """What a condition said last."""
        return next((each for each in reversed(self.told.get(name, [])) if each.type == type), None)

    def holds(self, name: str, type: str = "Ready") -> bool:
        """Whether a condition is True now."""
        latest = self.latest(name, type)
        return latest is not None and latest.status == "True"

    def first(self, name: str, reason: str) -> Told | None:
        """The first that gave this reason."""
        return next((each for each in self.told.get(name, []) if each.reason == reason), None)

    async def follow(self, kind: Kind) -> None:
        """Watch one Kind, from what there is now, until cancelled; who reads late is cut off."""
        while True:
            calls = self.client.stream(
                kind.path,
                params={"watch": "1"},
                idle_seconds=LONGEST_SECONDS,
                total_seconds=LONGEST_SECONDS,
            )
            with suppress(Unavailable):
                async with calls as lines:
                    async for line in lines:
                        self._take(json.loads(line))

    def _take(self, event: dict[str, dict[str, dict[str, object]]]) -> None:
        name = str(event["object"]["metadata"]["name"])
        if str(event["type"]) == "DELETED":
            self.gone.add(name)
            return
        told = self.told.setdefault(name, [])
        conditions = event["object"].get("status", {}).get("conditions", [])
        assert isinstance(conditions, list)
        for each in conditions:
            new = Told(each["type"], each["status"], each["reason"], each["message"])
            if self.latest(name, new.type) != new:
                told.append(new)


@asynccontextmanager
async def watching(client: Client) -> AsyncIterator[Witness]:
    """A witness, as long as the block runs."""
    witness = Witness(client)
    tasks = [asyncio.create_task(witness.follow(kind)) for kind in KINDS]
    try:
        yield witness
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
