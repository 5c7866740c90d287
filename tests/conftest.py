"""Fixtures that several rings share: a cluster that is up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from hack.cluster.cache import cache_folder
from hack.cluster.parts import Pace
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from tests import loglines, rights
from tests.bystander import Bystander
from tests.rights import Right

RIGHTS_USED = pytest.StashKey[set[Right]]()
"""What the operator has done in all clusters of this run."""

WITHOUT_A_CLUSTER = frozenset({"monitoring", "rules", "unit", "virtual"})
"""Rings beside which the others run; those share `RIGHTS_USED`, and thus a process."""

PACE = Pace(provision_seconds=2.0, delete_seconds=1.0, restart_seconds=0.05)
"""A quick cloud, and a kubelet that forgives quickly."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing done."""
    config.stash[RIGHTS_USED] = set()


class Halves(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Where there are two processes, one has all that runs on a cluster, the other the rest."""

    def _split_scope(self, nodeid: str) -> str:
        """Which half a test is in."""
        ring = nodeid.removeprefix("tests/").partition("/")[0]
        return "the rest" if ring in WITHOUT_A_CLUSTER else "clusters"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Halves:
    """Deal out the tests by halves."""
    return Halves(config, log)


@asynccontextmanager
async def audited(config: pytest.Config, *, registry: bool = False) -> AsyncIterator[Bystander]:
    """A cluster with the operator on it, which must have been denied nothing when it ends."""
    home = fresh_home(cache_folder() / "clusters", "test-")
    async with running(home=home, pace=PACE, registry=registry) as layout:
        yield Bystander(layout)
        assert loglines.unexplained(loglines.lines(layout)) == []
        lines = rights.requests(layout)
        config.stash[RIGHTS_USED] |= rights.used(lines)
        assert rights.denied(lines) == set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Bystander]:
    """A cluster of this module's own."""
    async with audited(request.config) as found:
        yield found
