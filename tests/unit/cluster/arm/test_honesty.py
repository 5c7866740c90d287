"""Every answer is what the Azure SDK's models and the REST reference say, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import jwt
import pytest
from azure.mgmt.containerservice.models import (
    AgentPool,
    ErrorResponse,
    ManagedClusterAgentPoolProfileProperties,
)

from hack.cluster import layout
from hack.cluster.arm.addresses import pools_path
from hack.cluster.arm.differences import PAGE, differences, rendered
from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.server import serving
from provisioner.azure import agentpool
from provisioner.azure.agentpool import Custom
from provisioner.cloud import InstanceSpec, Owner
from tests.unit.cluster.arm.conftest import Credentials, Server, credentials, server
from tests.unit.cluster.arm.strict import misfits, read_only

__all__ = ["credentials", "server"]

VERSION = "2026-08-01"
SUBNET = "/subscriptions/s/resourceGroups/g/providers/n/virtualNetworks/v/subnets/s"
SPEC = InstanceSpec(
    name="ws1",
    vm_size="Standard_NC24ads_A100_v4",
    owner=Owner("Machine", "ws1", "uid", "phi"),
    created=datetime(2026, 1, 2, tzinfo=UTC),
    disk_gib=50,
    labels={"kaito.sh/workspace": "phi"},
    taints=("sku=gpu:NoSchedule",),
    zones=("1", "2"),
    spot=True,
)
BODY: Any = agentpool.body(SPEC, Custom(SUBNET, installs_driver=False, tags={"team": "a"}))
ALWAYS = frozenset(
    (
        *("count", "vmSize", "maxPods", "osType", "osSKU", "osDiskSizeGB", "osDiskType", "mode"),
        *("orchestratorVersion", "currentOrchestratorVersion", "nodeImageVersion", "eTag", "type"),
        *("provisioningState", "powerState", "upgradeSettings", "enableFIPS"),
    )
)
"""Properties in every answer of the reference: https://learn.microsoft.com/rest/api/aks/agent-pools."""

PROVIDER_ERROR = frozenset(("code", "details", "message", "subcode", "target"))
OPERATION = frozenset(("name", "status", "startTime", "endTime", "error"))
SKU = frozenset(
    (
        *("apiVersions", "capabilities", "capacity", "costs", "family", "kind", "locationInfo"),
        *("locations", "name", "resourceType", "restrictions", "size", "tier"),
    )
)
"""https://learn.microsoft.com/rest/api/compute/resource-skus/list"""
USAGE = frozenset(("currentValue", "limit", "name", "unit"))
"""https://learn.microsoft.com/rest/api/compute/usage/list"""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Arm:
    """The server, asked without the SDK."""

    http: aiohttp.ClientSession
    token: str

    async def ask(self, method: str, path: str, body: object = None) -> Told:
        """One request to a path, or to a whole address that an answer named."""
        address = path if path.startswith("https:") else f"{path}?api-version={VERSION}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.request(method, address, json=body, headers=headers) as answer:
            text = await answer.text()
            return Told(answer.status, answer.headers, await answer.json() if text else None)

    async def pool(self, method: str, name: str = "", body: object = None) -> Told:
        """One request about a pool, or about all."""
        return await self.ask(method, f"{pools_path()}/{name}".rstrip("/"), body)

    async def ended(self, address: str) -> Any:
        """The status of an operation that has ended."""
        while True:
            told = await self.ask("GET", address)
            if told.body["status"] != "InProgress":
                return told.body


@asynccontextmanager
async def asked(server: Server) -> AsyncIterator[Arm]:
    secret = (server.home / "arm" / "token.key").read_bytes()
    claims = {"aud": "https://management.azure.com", "exp": int(time.time()) + 600}
    token = jwt.encode(claims, secret, algorithm="HS256")
    connector = server.http.connector
    async with aiohttp.ClientSession(
        server.url, connector=connector, connector_owner=False
    ) as http:
        yield Arm(http, token)


def check_pool(pool: Any) -> None:
    """A pool is exactly what the SDK knows, and everything that it always has is there."""
    assert list(misfits(pool, AgentPool)) == []
    assert AgentPool(pool).as_dict() == pool
    assert pool["properties"].keys() >= ALWAYS
    assert pool["id"] == f"{pools_path()}/{pool['name']}"
    assert "/resourcegroups/" in pool["id"]
    assert pool["type"] == "Microsoft.ContainerService/managedClusters/agentPools"


async def test_a_pool_is_told_as_the_sdk_knows_it_in_every_state(server: Server) -> None:
    await server.play({"fault": "stuck-creating", "seconds": 0.5})
    async with asked(server) as arm:
        created = await arm.pool("PUT", "ws1", BODY)
        during = await arm.pool("GET", "ws1")
        operation = await arm.ended(created.headers["Azure-AsyncOperation"])
        there = await arm.pool("GET", "ws1")
        updated = await arm.pool("PUT", "ws1", there.body)
        await arm.ended(updated.headers["Azure-AsyncOperation"])
        await server.play({"match": {"pool": "ws2"}, "fault": "allocation"})
        failing = await arm.pool("PUT", "ws2", BODY)
        await arm.ended(failing.headers["Azure-AsyncOperation"])
        failed = await arm.pool("GET", "ws2")
        listed = await arm.pool("GET")

    told = (created.body, during.body, there.body, updated.body, failed.body)
    for pool in (*told, *listed.body["value"]):
        check_pool(pool)
    assert [created.status, during.status, there.status, updated.status] == [201, 200, 200, 200]
    states = [pool["properties"]["provisioningState"] for pool in told]
    assert states == ["Creating", "Creating", "Succeeded", "Updating", "Failed"]
    assert operation["status"] == "Succeeded"


async def test_what_was_asked_for_comes_back(server: Server) -> None:
    async with asked(server) as arm:
        created = await arm.pool("PUT", "ws1", BODY)

    properties = created.body["properties"]
    assert {name: properties[name] for name in BODY["properties"]} == BODY["properties"]


async def test_what_is_never_returned_stands_in_the_list(server: Server) -> None:
    async with asked(server) as arm:
        pool = (await arm.pool("PUT", "ws1", BODY)).body

    missing = (read_only(AgentPool) - pool.keys()) | (
        read_only(ManagedClusterAgentPoolProfileProperties) - pool["properties"].keys()
    )
    assert missing == {name for each in differences() for name in each.fields}


async def test_a_list_has_pages_and_says_where_the_next_is(server: Server) -> None:
    async with asked(server) as arm:
        for number in range(4):
            await arm.pool("PUT", f"ws{number}", BODY)
        first = await arm.pool("GET")
        second = await arm.ask("GET", first.body["nextLink"])

    assert first.body.keys() == {"value", "nextLink"}
    assert second.body.keys() == {"value"}
    assert first.body["nextLink"].startswith(server.url)
    names = [pool["name"] for page in (first, second) for pool in page.body["value"]]
    assert sorted(names) == ["system", "ws0", "ws1", "ws2", "ws3"]


async def test_an_operation_is_begun_and_told_as_the_protocol_of_arm_says(
    credentials: Credentials, server: Server
) -> None:
    settings = credentials.settings(server.home / "slow", poll_seconds=7, provision_seconds=30)
    settings.home.mkdir()
    async with serving(settings, FrontDoor(settings)) as url:
        slow = Server(url, settings.home, credentials, server.http, server.azure)
        async with asked(slow) as arm:
            created = await arm.pool("PUT", "ws1", BODY)
            address = created.headers["Azure-AsyncOperation"]
            running = await arm.ask("GET", address)
            aborted = await arm.pool("POST", "ws1/abort")
            canceled = await arm.ended(address)
            deleted = await arm.pool("DELETE", "ws1")
            result = await arm.ask("GET", deleted.headers["Location"])
            again = await arm.pool("DELETE", "nobody")

    assert created.headers["Retry-After"] == running.headers["Retry-After"] == "7"
    assert address.startswith(f"{url}/subscriptions/{layout.SUBSCRIPTION_ID}/providers/")
    assert (running.status, running.body["status"]) == (200, "InProgress")
    assert running.body.keys() == {"name", "status", "startTime"}
    assert canceled["status"] == "Canceled"
    assert canceled.keys() == OPERATION
    assert (aborted.status, deleted.status, result.status, again.status) == (202, 202, 202, 204)
    for begun in (aborted, deleted):
        assert {"Azure-AsyncOperation", "Location", "Retry-After"} <= begun.headers.keys()
        assert begun.body is None


async def test_a_failed_operation_is_told_with_200_and_a_reason(server: Server) -> None:
    await server.play({"fault": "allocation", "code": "ZonalAllocationFailed"})
    async with asked(server) as arm:
        created = await arm.pool("PUT", "ws1", BODY)
        ended = await arm.ended(created.headers["Azure-AsyncOperation"])
        pool = await arm.pool("GET", "ws1")

    assert ended.keys() == OPERATION
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "ZonalAllocationFailed"
    assert list(misfits({"error": ended["error"]}, ErrorResponse)) == []
    assert pool.body["properties"]["status"]["provisioningError"] == ended["error"]


FRONT_DOOR = (
    {"fault": "throttle"},
    {"fault": "denied"},
    {"fault": "unavailable"},
    {"fault": "cluster-missing"},
    {"fault": "refuse", "atFrontDoor": True, "causes": [{"code": "A", "message": "b"}]},
)
PROVIDER = (
    {"fault": "quota"},
    {"fault": "sku"},
    {"fault": "conflict"},
    {"fault": "refuse", "causes": [{"code": "A", "message": "b"}]},
)


async def test_an_error_of_the_front_door_is_what_the_sdk_reads(server: Server) -> None:
    async with asked(server) as arm:
        for rule in FRONT_DOOR:
            await server.play(rule)
            told = await arm.pool("PUT", "ws1", BODY)

            assert told.status >= 400
            assert list(misfits(told.body, ErrorResponse)) == [], rule
            assert told.body["error"]["code"]
            assert ErrorResponse(told.body).as_dict() == told.body


async def test_an_error_of_the_provider_is_flat(server: Server) -> None:
    async with asked(server) as arm:
        for rule in PROVIDER:
            await server.play(rule)
            told = await arm.pool("PUT", "ws1", BODY)

            assert told.status >= 400
            assert told.body.keys() == PROVIDER_ERROR, rule
            assert told.body["code"]


async def test_a_pool_and_a_cluster_that_are_not_there_are_told_apart(server: Server) -> None:
    elsewhere = pools_path().replace(f"managedClusters/{layout.CLUSTER_NAME}", "managedClusters/x")
    async with asked(server) as arm:
        pool = await arm.pool("GET", "nobody")
        cluster = await arm.ask("GET", elsewhere)
        child = await arm.ask("PUT", f"{elsewhere}/ws1", BODY)

    assert [pool.status, cluster.status, child.status] == [404, 404, 404]
    assert (pool.body["code"], pool.body["subcode"]) == ("NotFound", "GetAgentPool_NotFound")
    assert cluster.body["error"]["code"] == "ResourceNotFound"
    assert child.body["error"]["code"] == "ParentResourceNotFound"


@pytest.mark.parametrize(
    ("mode", "count", "status"), [("User", 0, 201), ("System", 0, 400), ("System", 1, 201)]
)
async def test_a_system_pool_has_a_machine(
    server: Server, mode: str, count: int, status: int
) -> None:
    changed = {"properties": {**BODY["properties"], "mode": mode, "count": count}}
    async with asked(server) as arm:
        told = await arm.pool("PUT", "ws1", changed)

    assert told.status == status


async def test_sizes_and_quotas_are_told_as_their_reference_says(server: Server) -> None:
    compute = f"/subscriptions/{layout.SUBSCRIPTION_ID}/providers/Microsoft.Compute"
    await server.play({"match": {"vmSize": "Standard_NC6s_v3"}, "fault": "sku"})
    async with asked(server) as arm:
        skus = (await arm.ask("GET", f"{compute}/skus")).body
        usages = (await arm.ask("GET", f"{compute}/locations/{layout.LOCATION}/usages")).body

    assert skus.keys() == usages.keys() == {"value"}
    for row in skus["value"]:
        assert row.keys() <= SKU
        assert {"name", "tier", "size", "family", "resourceType"} <= row.keys()
        assert {each["name"] for each in row["capabilities"]} >= {"vCPUs", "MemoryGB"}
        assert all(isinstance(each["value"], str) for each in row["capabilities"])
    (restricted,) = [row for row in skus["value"] if row["restrictions"]]
    assert restricted["name"] == "Standard_NC6s_v3"
    assert restricted["restrictions"][0].keys() == {
        *("type", "values", "restrictionInfo", "reasonCode")
    }
    for row in usages["value"]:
        assert row.keys() == USAGE
        assert row["name"].keys() == {"value", "localizedValue"}


def test_the_page_tells_of_every_difference() -> None:
    assert PAGE.read_text() == rendered()
    unknown = [each.about for each in differences() if not each.azure]
    assert any("If-None-Match" in about for about in unknown)
