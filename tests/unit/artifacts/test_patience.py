"""A registry that stops in the middle, one that asks for a token, and addresses of data sets."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from oci.accounts import Account
from oci.reference import Reference
from oci.registry import Patience, Registry

from tests.bystander import until
from tests.ociregistry import OciRegistry
from tests.unit.artifacts.carrier import TEAM, Carrier

pytestmark = pytest.mark.timeout(180)

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(("stuck_at", "interrupted"), [(8, False), (12, True)], ids=str)
async def test_a_push_outlives_a_registry_that_stops_in_the_middle(
    own: OciRegistry, tmp_path: Path, stuck_at: int, *, interrupted: bool
) -> None:
    carrier = Carrier(own, tmp_path)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "weights").write_bytes(os.urandom(20 * MEBIBYTE))
    item = carrier.item("large:1", kind="artifact")
    own.fill(stuck_at * MEBIBYTE)
    process = await asyncio.create_subprocess_exec(
        *carrier.command("push", item, folder=source, retry_seconds=60),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def stuck() -> bool:
        return stuck_at * MEBIBYTE in own.upload_sizes()

    assert process.stderr
    # Answered, not only on the disk: else the push does not know of its first chunk.
    begun = await process.stderr.readuntil(b'"bytes": %d' % (8 * MEBIBYTE))
    await until("the middle of the push", stuck)
    await own.stop()
    await own.start()
    errors = begun + (await process.communicate())[1]
    done = carrier.run("pull", carrier.item("large:1", kind="data"), to=target)

    assert process.returncode == 0, errors
    assert done.code == 0, done.note
    assert (target / "weights").read_bytes() == (source / "weights").read_bytes()
    # A registry that holds a chunk in part gives the upload up; a whole one it goes on from.
    assert (b"blob.interrupted" in errors) == interrupted
    assert (own.uploads == []) != interrupted


class Office(BaseHTTPRequestHandler):
    """Answers with a token to who knows the password, and with tags to who has the token."""

    def do_GET(self) -> None:
        """One request."""
        host = self.headers["Host"]
        given = self.headers.get("Authorization", "")
        where = urlsplit(self.path)
        if where.path == "/token":
            (scope,) = parse_qs(where.query)["scope"]
            pair = base64.b64encode(b"me:right").decode()
            known = given == f"Basic {pair}"
            self._answer(200 if known else 401, {"token": f"t-{scope}"} if known else {})
        elif given == "Bearer t-repository:a:pull":
            self._answer(200, {"tags": ["1"]})
        else:
            challenge = f'Bearer realm="http://{host}/token",service="s",scope="repository:a:pull"'
            self._answer(401, {}, challenge)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object, challenge: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def office() -> Iterator[str]:
    """Host and port of one that is open."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("passwords", "status"), [(["right"], 200), (["wrong", "right"], 200), (["wrong"], 401)]
)
def test_a_token_is_asked_for_with_each_account_in_turn(
    office: str, passwords: list[str], status: int
) -> None:
    accounts = [Account("secret", "me", password) for password in passwords]
    registry = Registry(Reference.parse(f"{office}/a:1"), accounts, patience=Patience(0))
    registry.prefix = "http"
    with registry.session:
        assert registry.do_request(registry.url("tags/list")).status_code == status


def test_pauses_double_and_end() -> None:
    assert list(Patience(3.0).pauses()) == [0.25, 0.5, 1.0, 2.0]
    assert list(Patience(0).pauses()) == []


@pytest.fixture
def files(tmp_path: Path) -> Iterator[str]:
    """Address of a web server with a few files."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "data.parquet").write_bytes(b"PAR1" + bytes(100))
    (folder / "data.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (folder / "data.csv").write_text("question,answer\nWhy?,Because.\n")
    for name in ("page.html", "page.csv"):
        (folder / name).write_text("<!doctype html>")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    port = process.stdout.readline().split("port ")[1].split()[0]
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data.parquet", ""),
        ("data.jsonl", ""),
        ("data.csv", ""),
        ("page.html", "it is neither parquet, JSON nor CSV (text/html, and begins with"),
        ("page.csv", "it is neither parquet, JSON nor CSV (text/csv, and begins with"),
        ("nothing.json", "its server answers 404"),
    ],
)
def test_an_address_must_be_that_of_a_data_set(
    carrier: Carrier, files: str, path: str, said: str
) -> None:
    item = {"field": "tuning.input.urls[0]", "kind": "url", "url": f"{files}/{path}"}
    done = carrier.run("check", item)
    assert done.code == (1 if said else 0)
    assert done.note.startswith(f"tuning.input.urls[0]: {files}/{path}: {said}" if said else "")


def test_the_longest_key_of_a_secret_goes_first(tmp_path: Path) -> None:
    from oci.accounts import accounts_for

    entries = {
        "r.example": {"username": "host", "password": "x"},
        "r.example/team": {"username": "team", "password": "x"},
        "https://r.example/v2/": {"auth": base64.b64encode(b"url:x").decode()},
        "*.example": {"username": "star", "password": "x"},
        "r.example/other": {"username": "other", "password": "x"},
        "s.example": {"username": "elsewhere", "password": "x"},
    }
    folder = tmp_path / TEAM
    folder.mkdir()
    (folder / ".dockerconfigjson").write_text(json.dumps({"auths": entries}))
    found = accounts_for(Reference.parse("r.example/team/adapter:1"), [folder])
    assert [account.user for account in found] == ["team", "host", "url", "star"]


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("team/adapter:1", "docker.io/team/adapter:1"),
        ("localhost/a", "localhost/a:latest"),
        ("r.example:5000/a/b:c", "r.example:5000/a/b:c"),
        (f"r.example/a@sha256:{'0' * 64}", f"r.example/a@sha256:{'0' * 64}"),
    ],
)
def test_a_reference_is_read_as_container_runtimes_read_it(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full
