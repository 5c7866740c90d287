"""Weights from a hub on loopback: its own authority, a proxy, offline; and out of a volume."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from kaito.catalog.catalog import read_catalog
from kaito.workloads.hub import discretion
from tests.serving.hub import NAME, hub_of
from tests.unit.presets.program import LOOPBACK, Program
from tests.wayout import Server, https_server, proxy

pytestmark = pytest.mark.timeout(240)

PRESETS = Path(__file__).parents[2] / "presets"
CARRIER = PRESETS / "artifacts" / "artifacts.py"
POD = {
    str(one["name"]): str(one["value"])
    for one in discretion(read_catalog(PRESETS, origin="kaito").presets["phi-4"].image)
}
"""What a pod of the catalogue's is told in any case."""


def trusting(folder: Path, bundle: Path) -> Mapping[str, str]:
    """Variables of a pod whose init container has written what is trusted."""
    folder.mkdir()
    subprocess.run(
        [sys.executable, str(CARRIER), "trust", f"--ca-bundle={bundle}", f"--to={folder}"],
        check=True,
        capture_output=True,
    )
    return dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(folder / "ca.crt"))


def started(home: Path, hub: Server, **environment: str) -> Program:
    """A server that is told of the hub, with a cache of its own."""
    return Program.spawn(
        *(f"--pretrained-model-name-or-path={NAME}", "--allow-remote-files", "--threads=1"),
        environment={
            **LOOPBACK,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            **POD,
            **environment,
        },
    )


def failure(program: Program) -> str:
    """Why a server's start failed."""
    with closing(program):
        (said,) = [line for line in program.rest() if line["event"] == "model.failed"]
        return str(said["reason"])


async def test_weights_come_from_a_hub_of_a_private_authority_through_the_proxy(
    model: Path, tmp_path: Path
) -> None:
    with https_server(tmp_path / "outside", hub_of(model)) as hub, proxy() as way:
        trust = trusting(tmp_path / "trust", hub.authority)
        with closing(started(tmp_path / "hub", hub, HTTPS_PROXY=way.url, **trust)) as program:
            port = program.wait_for("server.listening")["port"]
            program.wait_for("model.loaded")
            url = f"http://127.0.0.1:{port}/v1/models"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                served = (await answer.json())["data"][0]["id"]

        assert served == "tiny"
        assert set(way.asked) == {hub.url.removeprefix("https://")}
        fetched = [path.name for path in (tmp_path / "hub").rglob("snapshots/*/*")]
        assert "model.safetensors" in fetched
        assert failure(started(tmp_path / "anew", hub, HF_HUB_OFFLINE="1", **trust))
        offline = started(tmp_path / "hub", hub, HF_HUB_OFFLINE="1")
        with closing(offline):
            offline.wait_for("model.loaded")


def test_a_hub_of_an_authority_that_nobody_trusts_gives_no_weights(
    model: Path, tmp_path: Path
) -> None:
    with https_server(tmp_path / "outside", hub_of(model)) as hub:
        said = failure(started(tmp_path / "hub", hub))

    assert "CERTIFICATE_VERIFY_FAILED" in said


def test_weights_in_a_volume_are_served_and_nothing_is_written_there(
    model: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    for file in model.iterdir():
        (volume / file.name).write_bytes(file.read_bytes())
        (volume / file.name).chmod(0o444)
    before = {path.name: path.stat().st_mtime_ns for path in volume.iterdir()}

    program = Program.start(volume, "--threads=1")
    with closing(program):
        program.wait_for("model.loaded")

    assert {path.name: path.stat().st_mtime_ns for path in volume.iterdir()} == before
