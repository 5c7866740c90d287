"""The main job without WatchList: what audits as watch elsewhere is a list here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from hack.cluster import controlplane
from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.process import Program
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from tests import rights
from tests.bystander import WORKSPACE, Bystander, holds, quick_start, until
from tests.conftest import PACE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

GATE = "--feature-gates=WatchList=false"
OF_STUCK_PODS = {rights.Right("kaito", "list", "events.events.k8s.io")}
"""Never streamed, and asked for only where a volume is missing: tests/behaviour/test_causes."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Bystander]:
    """A cluster whose API server answers every first list with a list."""
    usual = controlplane.api_server

    def without_streams(layout: Layout) -> Program:
        program = usual(layout)
        return replace(program, command=(*program.command, GATE))

    home = fresh_home(cache_folder() / "clusters", "test-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controlplane, "api_server", without_streams)
        async with running(home=home, pace=PACE) as layout:
            yield Bystander(layout)


async def test_a_workspace_comes_up_and_goes(cluster: Bystander) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start(WORKSPACE))

    async def is_ready() -> bool:
        return holds(await cluster.workspace(), "Ready")

    assert applied.code == 0, applied.errors
    assert await until("the model", is_ready)
    deleted = await cluster.kubectl("delete", "workspace", WORKSPACE, "--timeout=120s")
    assert deleted.code == 0, deleted.errors
    assert await cluster.pools() == []


async def test_nothing_was_denied(cluster: Bystander) -> None:
    assert rights.denied(rights.requests(cluster.layout)) == set()


async def test_every_list_that_is_granted_was_used(cluster: Bystander) -> None:
    used = rights.used(rights.requests(cluster.layout))
    granted = {right for right in rights.granted() if right.verb == "list"} - OF_STUCK_PODS

    assert granted
    assert sorted(granted - used) == []
