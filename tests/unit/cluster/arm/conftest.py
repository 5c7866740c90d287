"""A running ARM server with its credentials, and the real Azure clients that talk to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Unpack

import aiohttp
import jwt
import pytest
from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import WorkloadIdentityCredential
from azure.mgmt.containerservice.aio import ContainerServiceClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hack.cluster import layout
from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.server import serving
from hack.cluster.arm.settings import Pace, Settings
from hack.cluster.pki import Authority, Party


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files and keys that outlive one server."""

    folder: Path
    issuer: rsa.RSAPrivateKey

    def settings(self, home: Path, **changes: Unpack[Pace]) -> Settings:
        """Settings of a server that lives in `home` and is quick."""
        pace = Pace(provision_seconds=0.05, delete_seconds=0.05, poll_seconds=0, page_size=3)
        pace.update(changes)
        return Settings(
            home=home,
            certificate=self.folder / "arm.crt",
            key=self.folder / "arm.key",
            issuer_key=self.folder / "sa.pub",
            **pace,
        )

    def assertion(self, **changes: object) -> str:
        """A token that the cluster signed for the provisioner's ServiceAccount."""
        claims = {
            "iss": "https://kubernetes.default.svc",
            "aud": ["api://AzureADTokenExchange"],
            "sub": "system:serviceaccount:kaito-system:provisioner",
            "exp": datetime.now(UTC) + timedelta(hours=1),
        }
        return jwt.encode({**claims, **changes}, self.issuer, algorithm="RS256")


@dataclass(frozen=True, slots=True)
class Server:
    """One that is running."""

    url: str
    home: Path
    credentials: Credentials
    http: aiohttp.ClientSession
    azure: ContainerServiceClient

    async def play(self, *rules: object, quotas: object = None) -> None:
        """Script failures."""
        scenario = {"rules": rules, "quotas": quotas or {}}
        async with self.http.put(f"{self.url}/local/scenario", json=scenario) as answer:
            assert answer.status == 204, await answer.text()

    async def requests(self) -> list[dict[str, object]]:
        """The journal."""
        async with self.http.get(f"{self.url}/local/journal") as answer:
            body = await answer.json()
        requests: list[dict[str, object]] = body["requests"]
        return requests


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """One authority, one certificate and one issuer key for all tests."""
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority.create("arm-ca")
    authority.save(folder / "ca.crt", folder / "ca.key")
    authority.issue(Party("arm", "arm", hosts=("127.0.0.1",)), folder)
    issuer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = issuer.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "sa.pub").write_bytes(public)
    return Credentials(folder, issuer)


def identity(url: str, credentials: Credentials, token_file: Path) -> WorkloadIdentityCredential:
    """The real credential of a pod with that federated token file."""
    return WorkloadIdentityCredential(
        tenant_id=layout.TENANT_ID,
        client_id=layout.CLIENT_ID,
        token_file_path=str(token_file),
        authority=url,
        connection_verify=str(credentials.folder / "ca.crt"),
        retry_total=0,
    )


def client(
    url: str, credentials: Credentials, credential: AsyncTokenCredential
) -> ContainerServiceClient:
    """The real client, aimed at our server."""
    return ContainerServiceClient(
        credential,
        layout.SUBSCRIPTION_ID,
        base_url=url,
        connection_verify=str(credentials.folder / "ca.crt"),
        retry_total=0,
        polling_interval=0.02,
    )


@pytest.fixture
async def server(credentials: Credentials, tmp_path: Path) -> AsyncIterator[Server]:
    """A server that provisions at once, and clients that trust it."""
    token_file = tmp_path / "token"
    token_file.write_text(credentials.assertion())
    settings = credentials.settings(tmp_path)
    trust = ssl.create_default_context(cafile=str(credentials.folder / "ca.crt"))
    async with (
        serving(settings, FrontDoor(settings)) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http,
        identity(url, credentials, token_file) as credential,
        client(url, credentials, credential) as azure,
    ):
        yield Server(url, tmp_path, credentials, http, azure)
