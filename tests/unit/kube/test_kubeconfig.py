"""What a kubeconfig says beyond an address and a token: programs that make tokens, proxies."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hack.cluster.pki import Authority, Party
from kaito.kube.client import Client
from tests.unit.kube.apiserver import Api
from tests.unit.kube.builders import COLLECTION, THINGS

MANIFEST = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"size": 1}}
VERSION = "client.authentication.k8s.io/v1"
SECOND_IS_NEW = """
echo ran >> "$RUNS"
token=old; test "$(wc -l < "$RUNS")" -gt 1 && token=new
printf '{"apiVersion": "%s", "kind": "ExecCredential", "status": {"token": "%s"%s}}' \
  "$0" $token "$UNTIL"
"""


@asynccontextmanager
async def connected(
    folder: Path, cluster: Mapping[str, object], user: Mapping[str, object]
) -> AsyncIterator[Client]:
    """A client of a kubeconfig with one cluster and one user."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    client = await Client.connect(user_agent="t", field_manager="t", kubeconfig=str(path))
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("until", ["", ', "expirationTimestamp": "2999-01-01T00:00:00Z"'])
async def test_t5_a_plugin_is_run_again_when_its_token_was_refused(
    api: Api, tmp_path: Path, until: str
) -> None:
    api.tokens = {"new"}
    runs = tmp_path / "runs"
    plugin = {
        "apiVersion": VERSION,
        "command": "sh",
        "args": ["-c", SECOND_IS_NEW, VERSION],
        "env": [{"name": "RUNS", "value": str(runs)}, {"name": "UNTIL", "value": until}],
    }

    async with connected(tmp_path, {"server": api.url}, {"exec": plugin}) as client:
        await client.create(THINGS, MANIFEST)
        await client.list(THINGS)

    sent = [each.headers["Authorization"] for each in api.seen]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]
    assert runs.read_text() == "ran\nran\n"


async def test_t5_a_plugins_certificate_says_who_asks(api: Api, tmp_path: Path) -> None:
    authority = Authority.create("ca")
    authority.save(tmp_path / "ca.crt", tmp_path / "ca.key")
    served = authority.issue(Party("server", "server", hosts=("127.0.0.1",)), tmp_path)
    shown = authority.issue(Party("client", "jane"), tmp_path)
    keys = ("clientCertificateData", "clientKeyData")
    status = {key: path.read_text() for key, path in zip(keys, shown, strict=True)}
    credential = {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}
    (tmp_path / "credential").write_text(json.dumps(credential))
    plugin = {"apiVersion": VERSION, "command": "cat", "args": [str(tmp_path / "credential")]}
    names: list[object] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        certificate = request.get_extra_info("peercert")
        names.append(certificate["subject"])
        return await api.answer(request)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*served)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    cluster = {"server": str(server.make_url("")), "certificate-authority": f"{tmp_path}/ca.crt"}
    try:
        async with connected(tmp_path, cluster, {"exec": plugin}) as client:
            await client.list(THINGS)
    finally:
        await server.close()

    assert names == [((("commonName", "jane"),),)]


async def test_requests_go_through_the_proxy_of_the_cluster(api: Api, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.raw_path))
        return await api.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy)
    async with TestServer(app) as server:
        cluster = {"server": "http://api.invalid:8080", "proxy-url": str(server.make_url(""))}
        async with connected(tmp_path, cluster, {"token": "mine"}) as client:
            await client.create(THINGS, MANIFEST)
            found = await client.list(THINGS, namespace="default")

    address = f"http://api.invalid:8080{COLLECTION}"
    assert asked == [("POST", f"{address}?fieldManager=t"), ("GET", f"{address}?limit=500")]
    assert [each.metadata.name for each in found] == ["a"]
