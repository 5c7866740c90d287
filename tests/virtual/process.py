"""The two real processes, wired as the product wires them, without ports and signals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kaito.app
import provisioner.app
from kaito.catalog.catalog import read_catalog
from kaito.kube.client import Client
from kaito.kube.manager import Manager
from kaito.settings import Settings as KaitoSettings
from provisioner.settings import Settings as ProvisionerSettings
from tests.virtual.api import Api
from tests.virtual.cloud import Arm, LocalCloud
from tests.virtual.door import Door, Weather

Run = Callable[[], Awaitable[None]]

KAITO, PROVISIONER = kaito.app.NAME, provisioner.app.NAME
NAMES = (KAITO, PROVISIONER)

PRESETS = Path(__file__).parents[2] / "presets"
CATALOG = cache(read_catalog)
"""The real one, read once."""


async def _run(manager: Manager) -> int:
    """Run all that a manager owns, without ports, signals and graces, until cancelled."""
    working = (*manager._background.values(), *(each.run for each in manager._controllers))
    async with asyncio.TaskGroup() as tasks:
        for informer in manager._informers.values():
            tasks.create_task(_owned(informer.run))
        for informer in manager._informers.values():
            await informer.synced.wait()
        for run in working:
            tasks.create_task(_owned(run))
    return 0


@contextmanager
def wired(api: Api, arm: Arm, weather: Mapping[str, Weather]) -> Iterator[None]:
    """The products' own wiring leads to the API and the cloud in memory.

    Args:
        api: of both processes.
        arm: of the provisioner.
        weather: of each process, by its name.
    """

    async def connect(**asked: Any) -> Client:
        name = asked["field_manager"]
        return Client(Door(api, weather[name]), field_manager=name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "connect", connect)
        patch.setattr(Manager, "run", _run)
        patch.setattr(kaito.app, "read_catalog", CATALOG)
        patch.setattr(provisioner.app, "aks", lambda _: LocalCloud(arm, weather[PROVISIONER]))
        yield


async def live(name: str) -> None:
    """One process, from its start to its end."""
    if name == KAITO:
        await kaito.app.run(KaitoSettings(leader_elect=False, presets_dir=PRESETS))
        return
    required = ("subscription_id", "resource_group", "cluster_name", "client_id", "tenant_id")
    settings = dict.fromkeys(required, "x")
    await provisioner.app.run(ProvisionerSettings(leader_elect=False, **settings))


async def _owned(run: Run) -> None:
    await run()
    raise RuntimeError("a part ended by itself")
