"""One run: the world, both processes, what users do, what goes wrong, and the verdict."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from kaito.api.workspace import WORKSPACES
from kaito.kube.objects import Ref
from tests.virtual import loop, process
from tests.virtual.api import Api
from tests.virtual.cloud import Arm
from tests.virtual.door import Fair, Weather, mark
from tests.virtual.invariants import Judge
from tests.virtual.weather import Calls, Fog, Sniper, Storm
from tests.virtual.world import World

REST_SECONDS = 1.0
"""From the death of a process to the start of the next."""
SETTLE_SECONDS = 3600.0
QUIET_SECONDS = 3600.0
REF = Ref("default", "w")


class Workload(StrEnum):
    """What the user does."""

    CREATE = "create"
    DELETE = "create, and delete when it serves"
    REGRET = "create, and delete half-way"
    AGAIN = "create, delete half-way, and create again"


@dataclass(slots=True)
class Stage:
    """Everything that there is in one run.

    Attributes:
        api: the API server.
        arm: the cloud.
        world: the other controllers.
        judge: of what happens.
        deaths: set for each process when it is to end.
    """

    api: Api
    arm: Arm
    world: World
    judge: Judge
    deaths: Mapping[str, asyncio.Event]

    def killer(self, name: str) -> Callable[[], None]:
        """What kills a process."""
        return self.deaths[name].set


Climate = Callable[[Stage], Mapping[str, Weather]]
"""The weather of each process."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        violations: what must not be.
        trace: versions, kinds and names of all changes: the same for the same seed.
        versions: of all changes that both processes could see.
    """

    violations: Sequence[str]
    trace: Sequence[str] = field(repr=False)
    versions: Sequence[int] = field(repr=False)


def fair(_stage: Stage) -> Mapping[str, Weather]:
    """Nothing goes wrong."""
    return dict.fromkeys(process.NAMES, Fair())


def storm(seed: int, *, until: float = 900.0) -> Climate:
    """Faults of all kinds by chance, up to a moment."""

    def climate(stage: Stage) -> Mapping[str, Weather]:
        chance = random.Random(seed)
        rate = chance.choice((0.02, 0.1, 0.3))
        return {name: Storm(chance, until, rate, stage.killer(name)) for name in process.NAMES}

    return climate


def killed(calls: Calls) -> Climate:
    """One of the processes ends right after one call."""

    def climate(stage: Stage) -> Mapping[str, Weather]:
        return {name: Sniper(calls, stage.killer(name)) for name in process.NAMES}

    return climate


def fog(name: str, version: int, *, relists: bool, seconds: float = 300.0) -> Climate:
    """The caches of one process stand still for a while."""

    def climate(_stage: Stage) -> Mapping[str, Weather]:
        return {**fair(_stage), name: Fog(version, seconds, relists)}

    return climate


def played(workload: Workload, climate: Climate, *, seed: int = 0) -> Verdict:
    """The verdict on one run."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    virtual = loop.VirtualLoop()
    with tempfile.TemporaryDirectory(prefix="arm-", dir=_memory()) as folder:
        arm = Arm(Path(folder), virtual.seconds)
        try:
            return loop.run(_play(workload, climate, arm, virtual, seed), virtual, seed=seed)
        finally:
            arm.close()
            structlog.reset_defaults()


async def _play(
    workload: Workload, climate: Climate, arm: Arm, virtual: loop.VirtualLoop, seed: int
) -> Verdict:
    api = Api(clock=virtual.seconds)
    deaths = {name: asyncio.Event() for name in process.NAMES}
    stage = Stage(api, arm, World(api, arm), Judge(api, arm), deaths)
    with process.wired(api, arm, climate(stage)):
        tasks = [
            asyncio.create_task(stage.world.run()),
            asyncio.create_task(mark(api)),
            *(asyncio.create_task(_live(name, stage)) for name in process.NAMES),
        ]
        await _act(workload, stage, random.Random(seed))
        await asyncio.sleep(SETTLE_SECONDS)
        quiet_since = virtual.seconds()
        await asyncio.sleep(QUIET_SECONDS)
        stage.judge.end(wanted=_wanted(workload), quiet_since=quiet_since)
        for task in tasks:
            if task.done():
                stage.judge.violations.append(f"a task has ended: {task!r}")
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Verdict(stage.judge.violations, _trace(api), [each.version for each in api.history])


async def _live(name: str, stage: Stage) -> None:
    """A process again and again: whenever it is killed, another one starts."""
    while True:
        stage.deaths[name].clear()
        life = asyncio.create_task(process.live(name))
        death = asyncio.create_task(stage.deaths[name].wait())
        await asyncio.wait({life, death}, return_when="FIRST_COMPLETED")
        if life.done():
            stage.judge.violations.append(f"{name} ended by itself: {_cause(life.exception())}")
        for task in (life, death):
            task.cancel()
        await asyncio.gather(life, death, return_exceptions=True)
        await asyncio.sleep(REST_SECONDS)


def _cause(error: BaseException | None) -> str:
    """The innermost of the errors that a process ended with."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)


async def _act(workload: Workload, stage: Stage, chance: random.Random) -> None:
    """What the user does, over half an hour at most."""
    await asyncio.sleep(5)
    _create(stage)
    if workload is Workload.CREATE:
        return
    half_way = chance.uniform(0, 150)
    await asyncio.sleep(1500 if workload is Workload.DELETE else half_way)
    stage.world.ask("DELETE", WORKSPACES.path(REF), {})
    if workload is Workload.AGAIN:
        await asyncio.sleep(chance.uniform(600, 1500))
        _create(stage)


def _create(stage: Stage) -> None:
    manifest = {
        "metadata": {"name": REF.name, "namespace": REF.namespace},
        "resource": {
            "instanceType": "Standard_NC6s_v3",
            "labelSelector": {"matchLabels": {"apps": "phi"}},
        },
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    }
    stage.world.ask("POST", WORKSPACES.path(namespace=REF.namespace), manifest)


def _wanted(workload: Workload) -> int:
    return 1 if workload in (Workload.CREATE, Workload.AGAIN) else 0


def _trace(api: Api) -> list[str]:
    return [
        f"{event.version} {event.kind.plural} {json.dumps(event.new, sort_keys=True)}"
        for event in api.history
    ]


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    shared = Path("/dev", "shm")
    return str(shared) if shared.is_dir() else None
