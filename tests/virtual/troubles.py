"""What befalls whole processes, and the server: killed, stopped, cut off, out of service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kaito.kube.transport import Call
from tests.virtual.door import FAIR, PROMPT, Fate, Lateness
from tests.virtual.process import Life
from tests.virtual.story import Stage

AWAY_SECONDS = 45.0
"""Longer than a lease is held, so that another one has taken over by then."""
UNDER_WAY_SECONDS = 25.0


def kill(_stage: Stage, life: Life) -> None:
    """SIGKILL."""
    life.link.kill()


def pause(stage: Stage, life: Life, *, seconds: float = AWAY_SECONDS) -> None:
    """SIGSTOP, and SIGCONT after a while."""
    life.pause()
    stage.timeline.main.call_later(seconds, life.resume)


def cut(stage: Stage, life: Life, *, seconds: float = AWAY_SECONDS) -> None:
    """No packet passes for a while."""
    life.link.cut()
    stage.timeline.main.call_later(seconds, life.link.mend)


STRIKES: Mapping[str, Callable[[Stage, Life], None]] = {"kill": kill, "pause": pause, "cut": cut}


@dataclass(slots=True)
class Strike:
    """Something befalls a process while one of its writes is under way.

    Attributes:
        strike: what does it.
        fatal: number of the write, from 0; None for none.
        count: writes so far, of all processes of the program; those of leases do not count.
    """

    strike: Callable[[], None]
    fatal: int | None = None
    count: int = 0

    def on(self, strike: Callable[[], None]) -> Struck:
        """The weather of one process."""
        return Struck(self, strike)

    def fate(self, what: str) -> Fate:
        """Count it."""
        return self.met(what, self.strike)

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Let it pass."""
        return PROMPT

    def met(self, what: str, strike: Callable[[], None]) -> Fate:
        """What becomes of a request of the process that `strike` befalls."""
        if what.startswith(("GET", "WATCH")) or "/leases" in what:
            return FAIR
        self.count += 1
        if self.count - 1 != self.fatal:
            return FAIR
        strike()
        return Fate(out_seconds=UNDER_WAY_SECONDS)


@dataclass(frozen=True, slots=True)
class Struck:
    """The weather of one process of the program that is to be struck."""

    common: Strike
    strike: Callable[[], None]

    def fate(self, what: str) -> Fate:
        """Count it, and strike."""
        return self.common.met(what, self.strike)

    def lateness(self, call: Call, line: bytes) -> Lateness:
        """Let it pass."""
        return PROMPT


def trouble(stage: Stage, chance: random.Random, *, until: float) -> asyncio.Task[None]:
    """Things happen to processes and to the server until a moment."""

    async def happen() -> None:
        while stage.timeline.now < until:
            await asyncio.sleep(chance.uniform(5, 150))
            _strike(stage, chance)

    return asyncio.create_task(happen())


def _strike(stage: Stage, chance: random.Random) -> None:
    lives = list(stage.lives.values())
    how = chance.randrange(5)
    if how == 0:
        stage.api.compact()
    elif how == 1:
        seconds = chance.uniform(1, 60)
        for life in lives:
            cut(stage, life, seconds=seconds)
    elif lives:
        life = chance.choice(lives)
        seconds = chance.uniform(1, 60)
        strikes = (
            lambda: kill(stage, life),
            lambda: pause(stage, life, seconds=seconds),
            lambda: cut(stage, life, seconds=seconds),
        )
        strikes[how - 2]()
