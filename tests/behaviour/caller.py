"""A client that asks a Workspace's Service again and again while something is changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp

from tests.bystander import Bystander, Json, condition

PATIENCE = aiohttp.ClientTimeout(total=5)
EVERY_SECONDS = 0.05
BESIDE_LOAD_SECONDS = 20.0
"""What a change may keep a model away beside its load, on a machine that does other things as well:
the old pod's end, the new one's place, its adapters, and the looks of probes. Far below the grace
of 60 s, which a pod that does not end would take."""


@dataclass
class Calls:
    """What became of the calls, by the client's clock.

    Attributes:
        answered: when each answer came.
        failed: when each call failed.
        pods: of the workspace, as they were right after the first failure.
    """

    answered: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)

    @property
    def gap_seconds(self) -> float:
        """From the last answer before the first failure to the first answer after the last."""
        before = max(at for at in self.answered if at < self.failed[0])
        return min(at for at in self.answered if at > self.failed[-1]) - before


@asynccontextmanager
async def calling(cluster: Bystander, name: str) -> AsyncIterator[Calls]:
    """Ask for the models of a workspace until the block is left, and answered once more then."""
    calls = Calls()
    url = f"http://{await cluster.cluster_ip(name)}/v1/models"
    enough = asyncio.Event()

    async def call(session: aiohttp.ClientSession) -> None:
        while not (enough.is_set() and calls.answered and calls.answered[-1] > last(calls.failed)):
            if await _is_answered(session, url):
                calls.answered.append(time.monotonic())
            else:
                if not calls.failed:
                    calls.pods = await cluster.pods(name)
                calls.failed.append(time.monotonic())
            await asyncio.sleep(EVERY_SECONDS)

    # Each call is a connection of its own: one that is kept says nothing of the Service.
    async with aiohttp.ClientSession(
        timeout=PATIENCE, connector=aiohttp.TCPConnector(force_close=True)
    ) as session:
        task = asyncio.create_task(call(session))
        try:
            yield calls
            enough.set()
            await task
        finally:
            task.cancel()


def last(moments: list[float]) -> float:
    """The latest of some moments; before all others where there is none."""
    return moments[-1] if moments else 0.0


def parts(pod: Json) -> dict[str, float]:
    """What a pod has spent seconds on until it was ready, as its own status says.

    Returns:
        `place` until its node had room, which the pod before it took; each init container by its
        name; `load` from the server's start until it was ready, the last look of a probe included.
    """
    placed = condition(pod, "PodScheduled")["lastTransitionTime"]
    found = {"place": _between(pod["metadata"]["creationTimestamp"], placed)}
    for one in pod["status"].get("initContainerStatuses", []):
        ended = one["state"]["terminated"]
        found[one["name"]] = _between(ended["startedAt"], ended["finishedAt"])
    return found | {"load": load_seconds(pod)}


def handover_seconds(pod: Json) -> float:
    """What may lie between those parts: a look of each probe, and what whole seconds leave off."""
    (server,) = pod["spec"]["containers"]
    looks = (server[probe]["periodSeconds"] for probe in ("startupProbe", "readinessProbe"))
    return float(sum(looks) + len(parts(pod)))


def load_seconds(pod: Json) -> float:
    """How long a server took from its container's start until it was ready."""
    (server,) = pod["status"]["containerStatuses"]
    ready = condition(pod, "Ready")["lastTransitionTime"]
    return _between(server["state"]["running"]["startedAt"], ready)


def _between(begun: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


async def _is_answered(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
