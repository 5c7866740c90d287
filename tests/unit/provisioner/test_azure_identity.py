"""Each way to be somebody, with the real credential: what it asks, and how it fails."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from hack.cluster import layout
from provisioner.app import aks
from provisioner.azure.client import AksCloud, Cluster
from provisioner.azure.credentials import Identity, credential
from provisioner.failures import CloudDenied, CloudUnavailable, meaning
from provisioner.settings import Settings
from tests.unit.cluster.arm.conftest import Credentials, Server, credentials, server

__all__ = ["credentials", "server"]

RESOURCE = "https://management.azure.com"
SCOPE = f"{RESOURCE}/.default"
HEADER = "the-app-service-gives-this-to-its-own"
VARIABLES = (
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT"),
    *("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST"),
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's own identity is left."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def token(server: Server) -> str:
    """A token that the ARM server takes."""
    secret = (server.home / "arm" / "token.key").read_bytes()
    claims = {"aud": RESOURCE, "appid": layout.CLIENT_ID, "exp": int(time.time()) + 3600}
    return jwt.encode(claims, secret, algorithm="HS256")


@asynccontextmanager
async def cloud(
    server: Server, way: str, *, client_id: str = "", authority: str = "", token_file: str = ""
) -> AsyncIterator[AksCloud]:
    """The provisioner's own client, signed in that way."""
    ca_file = str(server.credentials.folder / "ca.crt")
    who = Identity(
        tenant_id=layout.TENANT_ID,
        client_id=client_id or (layout.CLIENT_ID if way == "workload" else ""),
        token_file=token_file or str(server.home / "token"),
        authority_host=authority or server.url,
        ca_file=ca_file,
        way=way,
    )
    where = (layout.SUBSCRIPTION_ID, layout.RESOURCE_GROUP, layout.CLUSTER_NAME)
    made = AksCloud(Cluster(*where, server.url, SCOPE, ca_file), credential(who), call_seconds=8)
    try:
        yield made
    finally:
        await made.close()


class Endpoint:
    """A machine's own token endpoint: what it was asked, and what it answers."""

    def __init__(self, answer: object, *, status: int = 200) -> None:
        self.asked: list[web.Request] = []
        self._answer = answer
        self._status = status

    async def give(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.asked.append(request)
        return web.json_response(self._answer, status=self._status)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve over plain HTTP, as such endpoints do; the address."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.give)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def granted(server: Server) -> dict[str, object]:
    """The answer of a metadata address that knows us."""
    return {
        "access_token": token(server),
        "client_id": layout.CLIENT_ID,
        "expires_in": "3599",
        "expires_on": str(int(time.time()) + 3599),
        "resource": RESOURCE,
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("client_id", ["", layout.CLIENT_ID])
async def test_a_machine_has_its_identity_from_its_metadata_address(
    server: Server, monkeypatch: pytest.MonkeyPatch, client_id: str
) -> None:
    metadata = Endpoint(granted(server))
    async with metadata.serving() as url, cloud(server, "managed", client_id=client_id) as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)

        assert len(await azure.instances()) == 1
        assert len(await azure.instances()) == 1

    (asked,) = metadata.asked
    assert asked.path == "/metadata/identity/oauth2/token"
    assert asked.headers["Metadata"] == "true"
    assert asked.query["resource"] == RESOURCE
    assert asked.query.get("client_id", "") == client_id


async def test_an_app_service_has_its_identity_from_its_own_endpoint(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint(granted(server))
    async with endpoint.serving() as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
        async with cloud(server, "managed") as azure:
            assert len(await azure.instances()) == 1

    (asked,) = endpoint.asked
    assert asked.path == "/msi/token"
    assert asked.headers["X-IDENTITY-HEADER"] == HEADER
    assert asked.query["resource"] == RESOURCE


async def test_a_managed_identity_is_not_changed_for_a_federated_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(server.home / "token"))
    monkeypatch.setenv("AZURE_TENANT_ID", layout.TENANT_ID)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    metadata = Endpoint(granted(server))
    async with metadata.serving() as url, cloud(server, "managed") as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)

        await azure.instances()

    assert len(metadata.asked) == 1
    assert "SIGN_IN" not in [each["operation"] for each in await server.requests()]


NO_IDENTITY = {"error": "invalid_request", "error_description": "Identity not found"}


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (400, NO_IDENTITY, "Identity not found"),
        (403, {"error": "forbidden"}, "forbidden"),
        (500, {"error": "unknown"}, "unknown"),
        (200, {"hello": "world"}, "Unexpected response"),
    ],
    ids=["no identity", "forbidden", "broken", "nonsense"],
)
async def test_a_metadata_address_that_gives_no_token_is_a_denial_in_its_words(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    answer: dict[str, str],
    words: str,
) -> None:
    async with Endpoint(answer, status=status).serving() as url, cloud(server, "managed") as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)

        with pytest.raises(CloudDenied, match=words):
            await azure.instances()


async def test_a_metadata_address_where_nobody_answers_is_a_denial(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Endpoint({}).serving() as url:
        pass
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
    async with cloud(server, "managed") as azure:
        with pytest.raises(CloudDenied, match="no response from the IMDS endpoint"):
            await azure.instances()


# Developers


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that programs are looked for in, besides that of the shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install_az(folder: Path, *, says: str = "", complains: str = "", status: int = 0) -> None:
    """Put an Azure CLI there that says so and ends."""
    script = folder / "az"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        f"pathlib.Path({str(folder / 'asked')!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"print({says!r})\nprint({complains!r}, file=sys.stderr)\nsys.exit({status})\n"
    )
    script.chmod(0o755)


async def test_a_developer_is_who_the_azure_cli_says(server: Server, path: Path) -> None:
    answer = {
        "accessToken": token(server),
        "expires_on": int(time.time()) + 3600,
        "expiresOn": "2099-01-01 00:00:00.000000",
        "tokenType": "Bearer",
    }
    install_az(path, says=json.dumps(answer))

    async with cloud(server, "developer") as azure:
        assert len(await azure.instances()) == 1

    asked = (path / "asked").read_text()
    assert "account get-access-token" in asked
    assert layout.TENANT_ID in asked


async def test_a_machine_without_the_azure_cli_has_no_developer(server: Server, path: Path) -> None:
    async with cloud(server, "developer") as azure:
        for _ in range(2):
            with pytest.raises(CloudDenied, match="Azure CLI not found"):
                await azure.instances()


async def test_a_developer_who_is_not_signed_in_is_told_to(server: Server, path: Path) -> None:
    install_az(path, complains="ERROR: Please run 'az login' to setup account.", status=1)

    async with cloud(server, "developer") as azure:
        with pytest.raises(CloudDenied, match="az login"):
            await azure.instances()


# Federation

FLAWS = [
    ({"aud": ["api://other"]}, "AADSTS700212"),
    ({"iss": "https://elsewhere"}, "AADSTS700211"),
    ({"sub": "system:serviceaccount:default:default"}, "AADSTS700213"),
    ({"exp": 1}, "AADSTS700024"),
]


@pytest.mark.parametrize(
    ("flaw", "number"), FLAWS, ids=["audience", "issuer", "subject", "expired"]
)
async def test_a_federated_token_that_proves_nothing_is_a_denial_in_entras_words(
    server: Server, credentials: Credentials, flaw: dict[str, object], number: str
) -> None:
    flawed = server.home / "flawed"
    flawed.write_text(credentials.assertion(**flaw))

    async with cloud(server, "workload", token_file=str(flawed)) as azure:
        with pytest.raises(CloudDenied, match=number):
            await azure.instances()


async def test_a_denial_has_entras_own_number_and_words_once(
    server: Server, credentials: Credentials
) -> None:
    flawed = server.home / "flawed"
    flawed.write_text(credentials.assertion(aud=["api://other"]))

    async with cloud(server, "workload", token_file=str(flawed)) as azure:
        with pytest.raises(CloudDenied) as caught:
            await azure.instances()

    assert caught.value.code == "AADSTS700212"
    assert caught.value.message == "No federated identity has this audience."


async def test_a_token_endpoint_where_nobody_answers_is_trouble_that_may_pass(
    server: Server,
) -> None:
    async with Endpoint({}).serving() as url:
        gone = url.replace("http://", "https://")

    async with cloud(server, "workload", authority=gone) as azure:
        with pytest.raises(CloudUnavailable, match="Cannot connect"):
            await azure.instances()


@pytest.mark.parametrize(
    "code", ["InvalidAuthenticationToken", "ExpiredAuthenticationToken", "AuthenticationFailed"]
)
async def test_a_token_that_arm_does_not_take_is_a_denial(server: Server, code: str) -> None:
    words = {"status": 401, "code": code, "message": "The access token is no good"}
    await server.play({"fault": "refuse", "atFrontDoor": True, **words})

    async with cloud(server, "workload") as azure:
        with pytest.raises(CloudDenied, match="no good") as caught:
            await azure.instances()

    assert caught.value.code == code
    assert meaning(caught.value).failed


# Clouds

CLOUDS = {
    "public": ("https://management.azure.com", "login.microsoftonline.com"),
    "china": ("https://management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    "usgovernment": ("https://management.usgovcloudapi.net", "login.microsoftonline.us"),
}
"""As https://learn.microsoft.com/azure/developer/python/sdk/authentication/multi-cloud has them."""


def settings(server: Server, **changes: str) -> Settings:
    """The settings of a provisioner whose addresses are the cloud's own, unless changed."""
    wire = {
        "subscription_id": layout.SUBSCRIPTION_ID,
        "resource_group": layout.RESOURCE_GROUP,
        "cluster_name": layout.CLUSTER_NAME,
        "client_id": layout.CLIENT_ID,
        "tenant_id": layout.TENANT_ID,
        "federated_token_file": str(server.home / "token"),
        "arm_ca_file": str(server.credentials.folder / "ca.crt"),
    }
    return Settings.model_validate({**wire, **changes})


@pytest.mark.parametrize("name", CLOUDS)
async def test_a_cloud_by_name_has_its_own_endpoint_and_authority(
    server: Server, name: str
) -> None:
    endpoint, authority = CLOUDS[name]
    made = aks(settings(server, azure_cloud=name))
    try:
        config = made._client._config
        assert config.base_url == endpoint
        assert config.credential_scopes == [f"{endpoint}/.default"]
        signing: Any = made._credential
        assert authority in signing._client._authority
    finally:
        await made.close()


async def test_each_address_of_a_cloud_may_be_another(server: Server) -> None:
    addresses = {"arm_endpoint": server.url, "authority_host": server.url}
    made = aks(settings(server, **addresses))
    foreign = aks(settings(server, **addresses, azure_cloud="china"))
    named = aks(settings(server, **addresses, azure_cloud="china", arm_scope=SCOPE))
    try:
        assert len(await made.instances()) == len(await named.instances()) == 1
        with pytest.raises(CloudDenied, match=r"management\.chinacloudapi\.cn/\.default"):
            await foreign.instances()
    finally:
        for each in (made, foreign, named):
            await each.close()


async def test_an_endpoint_that_the_ca_does_not_vouch_for_gets_no_request(server: Server) -> None:
    addresses = {"arm_endpoint": server.url, "authority_host": server.url}
    made = aks(settings(server, **addresses, arm_ca_file=""))
    try:
        with pytest.raises(CloudUnavailable, match="certificate verify failed"):
            await made.instances()
    finally:
        await made.close()

    assert await server.requests() == []
