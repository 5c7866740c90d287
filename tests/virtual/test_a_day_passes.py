"""Twenty-four hours: workspaces come and go, faults come and stop, and nothing is held on to.

Measured are the objects that can be reached from a process's Manager and tasks, from the product's
modules and from its metrics: how many, their bytes, and the entries of each container. It is not
the memory of a process, and there is no HTTP transport in virtual time: its connections have a
test of their own, tests/unit/kube/test_connections.py.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from kaito.kube import events
from kaito.kube.objects import Ref
from tests.virtual.door import Weather
from tests.virtual.process import NAMES, Life
from tests.virtual.reach import Holding, grown, held
from tests.virtual.story import Script, Stage, played
from tests.virtual.user import create, delete
from tests.virtual.weather import Storm
from tests.virtual.workloads import Workload

HOURS = 24
FIRST = 1
"""At its end everything has happened twice: from then on nothing may grow."""
STORM_SECONDS, PERIOD_SECONDS = 900.0, 3600.0
RATE = 0.05
SLACK = 8
"""Entries: less than one for every third workspace."""
EVENTS = 2
"""How many Events a recorder remembers here: it is to be full before nothing may grow."""

pytestmark = pytest.mark.timeout(900)


def test_nothing_grows_between_the_second_hour_and_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_SEEN_LIMIT", EVENTS)
    holdings: dict[str, list[Holding]] = {name: [] for name in NAMES}
    chance = random.Random(0)

    async def act(stage: Stage) -> None:
        for hour in range(HOURS):
            await asyncio.sleep(hour * PERIOD_SECONDS + 5 - stage.timeline.now)
            ref = Ref("default", f"w-{hour}")
            create(stage.world, ref)
            await asyncio.sleep(1800)
            delete(stage.world, ref)
            await asyncio.sleep(1500)
            _rest(stage, holdings)

    def climate(stage: Stage, _life: Life) -> Weather:
        return Storm(
            chance, lambda: stage.timeline.now % PERIOD_SECONDS, STORM_SECONDS, RATE, kills=False
        )

    verdict = played(Script(Workload.DELETE, climate, act=act))

    assert verdict.violations == []
    for name, each in holdings.items():
        assert len(each) == HOURS, f"{name} was not one process all the time"
        before = each[FIRST]
        assert [said for after in each[FIRST:] for said in grown(before, after, slack=SLACK)] == []
        assert each[-1].count < 1.02 * before.count
        assert each[-1].total_bytes < 1.02 * before.total_bytes


def _rest(stage: Stage, holdings: dict[str, list[Holding]]) -> None:
    """Look at what each process holds; what has happened is forgotten, as etcd forgets it."""
    stage.api.compact()
    stage.api.history.clear()
    for life in stage.lives.values():
        if life.manager is not None and life.link.who.endswith("-0-0"):
            holdings[life.name].append(held([life.manager, *asyncio.all_tasks(life.loop)]))
