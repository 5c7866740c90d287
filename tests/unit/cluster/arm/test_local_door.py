"""What is at /local/, what survives a restart, and the program itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from hack.cluster.arm.__main__ import settings as parsed_settings
from hack.cluster.arm.exchange import Request
from hack.cluster.arm.frontdoor import FrontDoor
from tests.unit.cluster.arm.agentpool import PLACE, body, created
from tests.unit.cluster.arm.conftest import Credentials, Server

POOLS = (
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/kaito-local"
    "/providers/Microsoft.ContainerService/managedClusters/kaito-local/agentPools"
)
SIGN_IN = "/00000000-0000-4000-8000-000000000002/oauth2/v2.0/token"


async def instances(server: Server, query: str = "") -> dict[str, object]:
    """The answer of the door for the VM scale sets."""
    async with server.http.get(f"{server.url}/local/instances{query}") as answer:
        found: dict[str, object] = await answer.json()
    return found


async def test_instances_are_the_vms_of_pools_that_succeeded(server: Server) -> None:
    await server.play({"fault": "stuck-creating", "match": {"pool": "stuck"}})
    await created(server.azure, "ws1", count=2)
    pools = server.azure.agent_pools
    await pools.begin_create_or_update(*PLACE, "stuck", body(), polling=False)

    found = (await instances(server))["instances"]

    assert isinstance(found, list)
    assert [row["pool"] for row in found] == ["system", "ws1"]
    expected = {
        "pool": "ws1",
        "state": "Succeeded",
        "mode": "User",
        "vmSize": "Standard_NC12s_v3",
        "count": 2,
        "ordinal": 2,
        "ordinals": [2, 3],
        "labels": {"kaito.sh/workspace": "phi"},
        "taints": ["sku=gpu:NoSchedule"],
        "gpus": 2,
        "vcpus": 12,
        "memoryGiB": 224,
        "osDiskSizeGiB": 50,
        "nodeResourceGroup": "MC_kaito-local_kaito-local_local",
    }
    assert expected.items() <= found[1].items()


async def test_a_long_poll_ends_when_a_pool_changes_by_itself(server: Server) -> None:
    await server.play({"fault": "stuck-creating", "seconds": 1})
    await server.azure.agent_pools.begin_create_or_update(*PLACE, "ws1", body(), polling=False)
    creating = (await instances(server))["revision"]

    async with asyncio.timeout(30):
        after = await instances(server, f"?since={creating}&wait=50")

    assert "ws1" in str(after["instances"])


async def test_a_long_poll_ends_when_someone_changes_a_pool(server: Server) -> None:
    revision = (await instances(server))["revision"]
    waiting = asyncio.create_task(instances(server, f"?since={revision}&wait=50"))
    await asyncio.sleep(0)
    await server.play({"fault": "stuck-creating"})
    await server.azure.agent_pools.begin_create_or_update(*PLACE, "ws1", body(), polling=False)

    async with asyncio.timeout(30):
        assert (await waiting)["revision"] != revision


async def test_a_long_poll_ends_unchanged_when_its_time_is_up(server: Server) -> None:
    before = await instances(server)

    assert await instances(server, f"?since={before['revision']}&wait=0.05") == before


@pytest.mark.parametrize("query", ["?since=x", "?wait=x"])
async def test_a_long_poll_with_nonsense_is_refused(server: Server, query: str) -> None:
    async with server.http.get(f"{server.url}/local/instances{query}") as answer:
        assert answer.status == 400


async def test_a_scenario_that_is_not_legal_is_refused(server: Server) -> None:
    async with server.http.put(f"{server.url}/local/scenario", data=b'{"rule": []}') as answer:
        assert answer.status == 400


async def test_a_scenario_tells_how_often_it_fired(server: Server) -> None:
    await server.play({"fault": "sku"}, {"fault": "quota", "times": 2})
    with pytest.raises(Exception, match="not allowed"):
        await created(server.azure, "ws1")

    async with server.http.get(f"{server.url}/local/scenario") as answer:
        assert (await answer.json())["fired"] == [1, 0]


async def test_the_journal_has_each_put_with_its_body_and_no_token(server: Server) -> None:
    await created(server.azure, "ws1")

    puts = [entry for entry in await server.requests() if entry["method"] == "PUT"]
    text = (server.home / "arm" / "journal.jsonl").read_text()

    assert len(puts) == 1
    assert puts[0]["pool"] == "ws1"
    assert puts[0]["apiVersion"] == "2026-08-01"
    assert puts[0]["status"] == 201
    assert puts[0]["body"] == body().as_dict()["properties"]
    assert puts[0]["operationId"]
    assert "eyJ" not in text
    assert len(text.splitlines()) == len(await server.requests())


async def test_a_call_without_a_token_is_401(server: Server) -> None:
    async with server.http.get(f"{server.url}{POOLS}?api-version=2026-08-01") as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["code"] == "AuthenticationFailed"


def ask(door: FrontDoor, method: str, name: str, *, bearer: str, content: bytes = b"") -> int:
    """Ask without a socket; the status of the answer."""
    path = f"{POOLS}/{name}"
    headers = {"authorization": f"Bearer {bearer}"}
    query = {"api-version": "2026-08-01"}
    return door.answer(Request(method, path, query, headers, content)).status


def test_pools_operations_tokens_and_counts_survive_a_restart(
    credentials: Credentials, tmp_path: Path
) -> None:
    clock = 1000.0
    settings = credentials.settings(tmp_path, provision_seconds=3)
    first = FrontDoor(settings, clock=lambda: clock)
    (tmp_path / "arm" / "scenario.json").write_text(
        json.dumps({"rules": [{"fault": "unavailable", "times": 1, "match": {"pool": "ws1"}}]})
    )
    form = (
        "client_id=00000000-0000-4000-8000-000000000003&grant_type=client_credentials"
        "&scope=https://management.azure.com/.default&client_assertion_type=urn:ietf:params:oauth:"
        f"client-assertion-type:jwt-bearer&client_assertion={credentials.assertion()}"
    )
    granted = first.answer(Request("POST", SIGN_IN, body=form.encode())).body
    assert isinstance(granted, dict)
    bearer = str(granted["access_token"])
    content = json.dumps(body().as_dict()).encode()
    statuses = [ask(first, "PUT", "ws1", bearer=bearer, content=content) for _ in range(2)]
    first.close()

    clock = 1003.0
    second = FrontDoor(settings, clock=lambda: clock)
    rows = second.instances()["instances"]
    statuses += [ask(second, "GET", "ws1", bearer=bearer)]
    entries = second.journal(since=0)
    second.close()

    assert statuses == [503, 201, 200]
    assert isinstance(rows, list)
    assert [row["state"] for row in rows if isinstance(row, dict)] == ["Succeeded", "Succeeded"]
    assert len(entries) == 4


def test_paths_are_not_case_sensitive(credentials: Credentials, tmp_path: Path) -> None:
    door = FrontDoor(credentials.settings(tmp_path))
    path = POOLS.replace("resourceGroups", "RESOURCEGROUPS").replace("agentPools", "agentpools")

    answers = [door.answer(Request("GET", where)).status for where in (path, "/subscriptions")]
    door.close()

    assert answers == [401, 404]


async def test_the_program_tells_its_url_and_stops_when_asked(
    credentials: Credentials, tmp_path: Path
) -> None:
    folder = credentials.folder
    arguments = ("--home", tmp_path, "--certificate", folder / "arm.crt", "--key")
    files = (*arguments, folder / "arm.key", "--issuer-key", folder / "sa.pub")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hack.cluster.arm",
        *map(str, files),
        env={**os.environ, "PYTHONPATH": "."},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    started = json.loads(await process.stdout.readline())
    url = (tmp_path / "arm" / "url").read_text().strip()
    trust = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    writer.write(b"GET /local/instances?since=1&wait=50 HTTP/1.1\r\nHost: arm\r\n\r\n")
    health = f"{url}/local/health"
    async with aiohttp.ClientSession() as http, http.get(health, ssl=trust) as answer:
        status = answer.status
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        head = await reader.readline()
        code = await process.wait()
    writer.close()

    assert started["url"] == url
    assert (status, code) == (200, 0)
    assert head == b"HTTP/1.1 200 OK\r\n"
    assert not (tmp_path / "arm" / "url").exists()


def test_the_command_line_has_the_defaults_of_the_settings(tmp_path: Path) -> None:
    files = ["--certificate", "c", "--key", "k", "--issuer-key", "i"]

    chosen = parsed_settings(["--home", str(tmp_path), *files])

    assert chosen.provision_seconds == 3
    assert chosen.delete_seconds == 2
    assert chosen.page_size == 50
    assert chosen.folder == tmp_path / "arm"
