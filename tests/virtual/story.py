"""One run: the world, the processes, what users do, what goes wrong, and the verdict."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import structlog

from tests.virtual import process
from tests.virtual.api import Api
from tests.virtual.cloud import Arm
from tests.virtual.door import Fair, Link, Weather, mark
from tests.virtual.invariants import Judge
from tests.virtual.loop import Timeline, VirtualLoop
from tests.virtual.process import Life, Manner
from tests.virtual.user import User
from tests.virtual.workloads import GOING, Workload, machines, services
from tests.virtual.world import World

REST_SECONDS = 1.0
"""From the death of a process to the start of the next."""
SETTLE_SECONDS = 3600.0
"""How long all may take to come to rest, from the last thing that the user does."""
QUIET_SECONDS = 3600.0
"""How long nobody may write after that; a third of it where a lease is renewed all the time."""
GRACE_SECONDS = 30.0
"""How long a process may take to end when it is told to."""


class Stage:
    """Everything that there is in one run.

    Attributes:
        timeline: of everybody.
        api: the API server.
        arm: the cloud.
        world: the other controllers.
        judge: of what happens.
        lives: all processes that run now.
        script: what is played.
    """

    def __init__(self, timeline: Timeline, arm: Arm, script: Script) -> None:
        self.timeline = timeline
        self.api = Api(clock=timeline.seconds)
        self.arm = arm
        self.world = World(self.api, arm)
        self.judge = Judge(self.api, arm, timeline.seconds, machines=machines(script.workload))
        self.script = script
        self.lives: dict[VirtualLoop, Life] = {}

    def born(self, name: str, who: str) -> Life:
        """A new process, which runs."""
        link = Link(who, Fair(), self.timeline.main)
        life = Life(name, link, self.timeline.loop())
        link.weather = self.script.climate(self, life)
        link.on_send = self.judge.send
        self.lives[life.loop] = life
        life.start(self.script.manner)
        return life

    def buried(self, life: Life) -> None:
        """A process is no more."""
        del self.lives[life.loop]
        life.link.is_dead = True
        self.timeline.end(life.loop)


Climate = Callable[[Stage, Life], Weather]
"""The weather of a process that is born."""


def fair(_stage: Stage, _life: Life) -> Weather:
    """Nothing goes wrong."""
    return Fair()


@dataclass(frozen=True, slots=True)
class Script:
    """What is played.

    Attributes:
        workload: what the user does.
        climate: what befalls requests.
        trouble: what else happens, beside it.
        manner: of all processes.
        act: what the user does instead; nothing of it is left in the end.
    """

    workload: Workload
    climate: Climate = fair
    trouble: Callable[[Stage], object] = lambda _stage: None
    manner: Manner = field(default_factory=Manner)
    act: Callable[[Stage], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        violations: what must not be.
        trace: versions, kinds and names of all changes: the same for the same seed.
        met: requests that the cloud refused as it was told to.
    """

    violations: Sequence[str]
    trace: Sequence[str] = field(repr=False)
    met: int = 0


def played(script: Script) -> Verdict:
    """The verdict on one run."""
    timeline = Timeline()
    with tempfile.TemporaryDirectory(prefix="arm-", dir=_memory()) as folder:
        arm = Arm(Path(folder), timeline.seconds)
        stage = Stage(timeline, arm, script)
        structlog.configure(
            processors=[stage.judge.log],
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        )
        try:
            with process.wired(stage.api, arm, stage.lives):
                timeline.run(_play(script, stage))
        finally:
            arm.close()
            structlog.reset_defaults()
        met = arm.fired()
    return Verdict(stage.judge.violations, _trace(stage.api), met)


async def _play(script: Script, stage: Stage) -> None:
    slots = (0, 1) if script.manner.elects else (0,)
    keepers = [
        asyncio.create_task(_keep(name, slot, stage)) for slot in slots for name in process.NAMES
    ]
    others = [asyncio.create_task(stage.world.run()), asyncio.create_task(mark(stage.api))]
    troubles = script.trouble(stage)
    chance = random.Random(script.manner.seed)
    user = User(stage.api, stage.arm, stage.world, stage.judge, script.workload, chance)
    await (script.act(stage) if script.act else user.act())
    is_late = await _is_late(stage)
    is_gone = script.act or script.workload in GOING
    stage.judge.end(
        list(stage.lives.values()),
        wanted=0 if is_gone else machines(script.workload),
        services=0 if is_gone else services(script.workload),
        is_late=is_late,
    )
    if script.climate is fair and not script.manner.elects:
        stage.judge.unhindered(list(stage.lives.values()))
    await _close(stage, keepers)
    for task in others:
        if task.done():
            stage.judge.say(f"a task has ended: {task!r}")
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    if isinstance(troubles, asyncio.Task):
        await troubles


async def _is_late(stage: Stage) -> bool:
    """Wait until nobody has written for long; whether that took too long."""
    quiet_seconds = QUIET_SECONDS / 3 if stage.script.manner.elects else QUIET_SECONDS
    last_call = stage.timeline.seconds() + SETTLE_SECONDS + quiet_seconds
    while (now := stage.timeline.seconds()) < last_call:
        quiet_at = max(stage.judge.written + quiet_seconds, now)
        if quiet_at <= now:
            return False
        await asyncio.sleep(min(quiet_at, last_call) - now)
    return stage.judge.written + quiet_seconds > last_call


async def _close(stage: Stage, keepers: Sequence[asyncio.Task[None]]) -> None:
    """Have every process end in order; the lease is the last that it gives back."""
    for keeper in keepers:
        keeper.cancel()
    lives = list(stage.lives.values())
    for life in lives:
        life.terminate()
    for _ in range(int(GRACE_SECONDS)):
        if all(life.link.killed.is_set() for life in lives):
            break
        await asyncio.sleep(1)
    for life in lives:
        stage.judge.told_to_end(life)
    stage.judge.closed([life.link.who for life in lives])


async def _keep(name: str, slot: int, stage: Stage) -> None:
    """A process again and again: whenever it ends, another one starts."""
    for number in count():
        life = stage.born(name, f"{name}-{slot}-{number}")
        await life.link.killed.wait()
        stage.judge.left(life, elects=stage.script.manner.elects)
        stage.buried(life)
        await asyncio.sleep(REST_SECONDS)


def _trace(api: Api) -> list[str]:
    return [
        f"{event.version} {event.by or 'world'} {event.kind.plural}"
        f" {json.dumps(event.new, sort_keys=True)}"
        for event in api.history
    ]


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    shared = Path("/dev", "shm")
    return str(shared) if shared.is_dir() else None
