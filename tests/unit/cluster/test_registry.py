"""The OCI registry of the local cluster: a real program, asked over TLS."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from hack.cluster.failures import Unobtainable
from hack.cluster.layout import Layout
from hack.cluster.parts import USUAL, waves
from hack.cluster.pki import create_pki
from hack.cluster.registry.binary import registry_program
from hack.cluster.registry.server import ACCOUNT, address, credentials
from hack.cluster.slots import free_ports, held_slot
from tests.ociregistry import oci_registry


@pytest_asyncio.fixture
async def layout(tmp_path: Path) -> AsyncIterator[Layout]:
    async with oci_registry(tmp_path) as registry:
        yield registry.layout


async def status(layout: Layout, *, ca: Path, authorization: str = "") -> int:
    context = ssl.create_default_context(cafile=str(ca))
    headers = {"Authorization": authorization} if authorization else {}
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.get(f"https://{address(layout)}/v2/", ssl=context, headers=headers) as answer,
    ):
        return answer.status


def basic(layout: Layout, credentials: str) -> str:
    account = json.loads(credentials)["auths"][address(layout)]
    pair = f"{account['username']}:{account['password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def test_only_the_account_gets_in(layout: Layout) -> None:
    right = credentials(layout)
    wrong = credentials(layout, password=ACCOUNT.user)
    ca = layout.ca_certificate
    assert await status(layout, ca=ca) == 401
    assert await status(layout, ca=ca, authorization=basic(layout, wrong)) == 401
    assert await status(layout, ca=ca, authorization=basic(layout, right)) == 200


async def test_its_certificate_is_of_the_clusters_own_authority(layout: Layout) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await status(layout, ca=layout.arm_ca_certificate)


def test_a_cluster_without_the_program_has_no_registry(tmp_path: Path) -> None:
    with held_slot() as slot:
        bare = Layout(
            slot=slot, home=tmp_path, repo=tmp_path, cache=tmp_path, ports=free_ports(slot)
        )
        create_pki(bare)
        names = [part.program.name for wave in waves(bare, USUAL) for part in wave]
    assert "etcd" in names
    assert "registry" not in names


def test_offline_it_is_said_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unobtainable, match="docker-registry or registry"):
        registry_program(tmp_path, offline=True, report=print)


APT = """#!/bin/sh
echo "$1" >> "$LOG"
if [ "$1" = download ] && [ "$(grep -c update "$LOG")" = 0 ]; then
  echo "E: Unable to locate package" >&2
  exit 100
fi
"""
DPKG = """#!/bin/sh
for last; do :; done
/bin/mkdir -p "$last/usr/bin" && echo registry > "$last/usr/bin/docker-registry"
"""


def test_a_machine_that_knows_no_packages_yet_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "grep").symlink_to("/bin/grep")
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOG", str(log))
    found = registry_program(tmp_path / "cache", offline=False, report=print)
    assert log.read_text().split() == ["download", "update", "download"]
    assert found.read_text() == "registry\n"
