"""A small API server, and everything that a pod worker needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from hack.cluster.kubelet.host import Host, Pace
from hack.cluster.kubelet.images import Images
from hack.cluster.kubelet.names import Names
from hack.cluster.kubelet.objects import Objects
from kaito.kube.client import Client
from kaito.kube.transport import Endpoint, Transport
from tests.unit.cluster.kubelet import podsapi
from tests.unit.cluster.kubelet.builders import Told
from tests.unit.cluster.kubelet.podsapi import PodsApi
from tests.unit.cluster.layouts import a_layout
from tests.unit.kube.builders import Anonymous

QUICK = Pace(
    restart_base_seconds=0.1,
    pull_base_seconds=0.05,
    cap_seconds=1.0,
    retry_seconds=0.05,
    refresh_seconds=0.05,
    memory_seconds=0.05,
    shutdown_seconds=0.5,
)


@pytest.fixture
async def api() -> AsyncIterator[PodsApi]:
    """An API server for one pod."""
    async with podsapi.served() as api:
        yield api


@pytest.fixture
def told() -> Told:
    """Events of the pod."""
    return Told()


@pytest.fixture
async def host(api: PodsApi, told: Told, tmp_path: Path) -> AsyncIterator[Host]:
    """This machine, with a home of its own."""
    transport = Transport(Endpoint(api.url, Anonymous()), user_agent="tests/1", max_in_flight=8)
    client = Client(transport, field_manager="tests")
    layout = a_layout(slot=15, home=tmp_path / "home")
    async with aiohttp.ClientSession() as http:
        yield Host(
            layout, client, Objects(client), Images(), Names(layout, client), http, told, QUICK
        )
    await client.close()
