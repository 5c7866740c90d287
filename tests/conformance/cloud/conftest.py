"""The cloud under test: in this process, and an ARM server asked through the Azure SDK."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError

from hack.cluster import layout
from hack.cluster.arm.faults import Scenario
from provisioner.azure.client import AksCloud, Cluster
from provisioner.azure.credentials import Identity, credential
from provisioner.cloud import Cloud, Instance, InstanceState
from provisioner.turns import Turns
from tests.unit.cluster.arm.conftest import Credentials, credentials
from tests.virtual.cloud import Arm, LocalCloud

__all__ = ["credentials"]

T = TypeVar("T")

REPO = Path(__file__).parents[3]
SCOPE = "https://management.azure.com/.default"
PATIENCE_SECONDS = 45.0


class Place:
    """A cloud, and how to make trouble for it."""

    def __init__(
        self,
        cloud: Cloud,
        play: Callable[[Scenario], Awaitable[None]],
        let_time_pass: Callable[[], Awaitable[None]],
    ) -> None:
        self.cloud = cloud
        self._play = play
        self._let_time_pass = let_time_pass

    async def play(self, *rules: object, limits: object = (), quotas: object = None) -> None:
        """Have these rules go wrong, from now on, for somebody who has not met any yet."""
        self.cloud.turns = Turns(self.cloud.turns.monotonic)
        wire = {"rules": rules, "limits": limits, "quotas": quotas or {}}
        await self._play(Scenario.model_validate(wire))

    async def find(self, name: str) -> Instance | None:
        """One instance, as the list has it."""
        return {each.name: each for each in await self.cloud.instances()}.get(name)

    async def until(self, name: str, wanted: Callable[[Instance | None], bool]) -> Instance | None:
        """The instance, as soon as it is as wanted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self.find(name)
                if wanted(found):
                    return found
                await self._let_time_pass()


class Scripted(Arm):
    """The cloud in this process, with scenarios."""

    def play(self, scenario: Scenario) -> None:
        """Have requests go wrong."""
        self._fails = True
        self._door.play(scenario)


class Wire:
    """The way to the cloud in this process, on which nothing happens."""

    who = "conformance"

    async def carry(self, what: str, act: Callable[[], T], *, seconds: float) -> T:
        """Carry out a request."""
        return act()


@asynccontextmanager
async def in_process(folder: Path) -> AsyncIterator[Place]:
    """The cloud that virtual time has; its clock is moved by hand."""
    now = 1_800_000_000.0
    arm = Scripted(folder, lambda: now)

    async def play(scenario: Scenario) -> None:
        arm.play(scenario)

    async def pass_time() -> None:
        nonlocal now
        now += 5
        await asyncio.sleep(0)

    yield Place(LocalCloud(arm, cast("Any", Wire())), play, pass_time)
    arm.close()


@pytest.fixture(scope="module")
def arm_url(tmp_path_factory: pytest.TempPathFactory, credentials: Credentials) -> Iterator[str]:
    """An ARM server, a process of its own; its address."""
    folder, files = tmp_path_factory.mktemp("arm"), credentials.folder
    command = (
        *(sys.executable, "-m", "hack.cluster.arm", "--home", str(folder)),
        *("--certificate", str(files / "arm.crt"), "--key", str(files / "arm.key")),
        *("--issuer-key", str(files / "sa.pub"), "--page-size", "3"),
        *("--provision-seconds", "0.05", "--delete-seconds", "0.05"),
    )
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("server.started" in line for line in process.stdout), "it ended at once"
            yield (folder / "arm" / "url").read_text().strip()
        finally:
            process.terminate()


@asynccontextmanager
async def over_https(
    url: str, folder: Path, credentials: Credentials, *, location: str = ""
) -> AsyncIterator[Place]:
    """The ARM server, asked as the provisioner asks it; its pools are gone afterwards."""
    ca_file = str(credentials.folder / "ca.crt")
    token_file = folder / "token"
    token_file.write_text(credentials.assertion())
    trust = ssl.create_default_context(cafile=ca_file)
    who = Identity(layout.TENANT_ID, layout.CLIENT_ID, str(token_file), url, ca_file)
    where = (layout.SUBSCRIPTION_ID, layout.RESOURCE_GROUP, layout.CLUSTER_NAME)
    cluster = Cluster(*where, url, SCOPE, ca_file, location)
    cloud = AksCloud(cluster, credential(who), call_seconds=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:

        async def play(scenario: Scenario) -> None:
            body = scenario.model_dump(mode="json", by_alias=True)
            address = f"{url}/local/scenario"
            async with http.put(address, json=body, raise_for_status=True):
                return

        async def pass_time() -> None:
            await asyncio.sleep(0.02)

        try:
            place = Place(cloud, play, pass_time)
            yield place
            await place.play()
            await emptied(cloud)
        finally:
            await cloud.close()


async def emptied(cloud: AksCloud) -> None:
    """Give back every pool but the cluster's own, also one that is stuck."""
    pools, where = cloud._client.agent_pools, (layout.RESOURCE_GROUP, layout.CLUSTER_NAME)
    for each in await cloud.instances():
        if each.owner and each.state in {InstanceState.PENDING, InstanceState.DELETING}:
            with suppress(HttpResponseError):
                await pools.begin_abort_latest_operation(*where, each.name, polling=False)
        if each.owner:
            await cloud.terminate(each.name)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if len(await cloud.instances()) == 1:
                return
            await asyncio.sleep(0.02)


CLOUDS = ("in-process", "arm-server")
PREFLIGHT = "arm-server-with-preflight"


@pytest.fixture(params=CLOUDS)
async def place(
    request: pytest.FixtureRequest, tmp_path: Path, credentials: Credentials
) -> AsyncIterator[Place]:
    """Each of the clouds, new."""
    if request.param == "in-process":
        made = in_process(tmp_path)
    else:
        location = layout.LOCATION if request.param == PREFLIGHT else ""
        url = request.getfixturevalue("arm_url")
        made = over_https(url, tmp_path, credentials, location=location)
    async with made as each:
        yield each
