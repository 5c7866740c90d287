"""A cluster as an outsider sees it: plain HTTPS and kubectl, and none of the code under test."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import yaml

from hack.cluster.layout import Layout

EXAMPLE = Path(__file__).parents[1] / "manifests" / "examples" / "inference-phi-3-mini.yaml"
WORKSPACE = "workspace-phi-3-mini"
NAMESPACE = "default"
LIMIT_SECONDS = 180.0
"""Generous: a busy machine may take three times as long as a quiet one."""
ROUTED_SECONDS = 20.0
"""In which the service proxy hears of an endpoint that others know to be ready."""
LOOK_SECONDS = 0.1

Json = Any
T = TypeVar("T")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    output: str
    errors: str


class Bystander:
    """Looks at one cluster."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        trusted = ssl.create_default_context(cafile=str(layout.ca_certificate))
        trusted.load_cert_chain(layout.certificate("admin"), layout.key("admin"))
        self._api = trusted
        self._arm = ssl.create_default_context(cafile=str(layout.arm_ca_certificate))

    async def get(self, path: str) -> Json:
        """What the API server has at a path; None where it says 404."""
        return await self._fetch(f"{self.layout.api_url}{path}", self._api)

    async def items(self, path: str, selector: str = "") -> list[Json]:
        """Objects of a collection, chosen by labels."""
        found = await self.get(f"{path}?labelSelector={quote(selector)}")
        return list(found["items"]) if found else []

    async def version(self, path: str) -> str:
        """The version of a collection, from which its changes can be told."""
        return str((await self.get(path))["metadata"]["resourceVersion"])

    async def changes(self, path: str, *, seconds: int) -> list[Json]:
        """Watch events of a collection during the next seconds."""
        return [each async for each in self.watch(path, await self.version(path), seconds=seconds)]

    async def watch(self, path: str, version: str, *, seconds: int) -> AsyncIterator[Json]:
        """Watch events of a collection since a version, as they come, for so many seconds."""
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds={seconds}"
        patient = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=patient, read_bufsize=2**22) as session,
            session.get(f"{self.layout.api_url}{path}{query}", ssl=self._api) as response,
        ):
            async for line in response.content:
                yield json.loads(line)

    async def workspace(self, name: str = WORKSPACE, namespace: str = NAMESPACE) -> Json:
        """A Workspace, or None."""
        path = f"/apis/kaito.sh/v1alpha1/namespaces/{namespace}/workspaces/{name}"
        return await self.get(path)

    async def machines(self, name: str = WORKSPACE) -> list[Json]:
        """Machines made for a workspace."""
        return await self.items(
            "/apis/karpenter.sh/v1alpha5/machines", f"kaito.sh/workspace={name}"
        )

    async def nodes(self, name: str = WORKSPACE) -> list[Json]:
        """Nodes made for a workspace."""
        return await self.items("/api/v1/nodes", f"kaito.sh/workspace={name}")

    async def pods(self, name: str = WORKSPACE) -> list[Json]:
        """Pods of a workspace."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        return await self.items(path, f"kaito.sh/workspace={name}")

    async def cluster_ip(self, name: str = WORKSPACE) -> str:
        """Cluster IP of a workspace's Service."""
        service = await self.get(f"/api/v1/namespaces/{NAMESPACE}/services/{name}")
        return str(service["spec"]["clusterIP"])

    async def journal(self) -> list[Json]:
        """Every request that ARM has answered, in order."""
        answer = await self._fetch(f"{self.layout.arm_url}/local/journal", self._arm)
        return list(answer["requests"])

    async def pools(self) -> list[Json]:
        """Pools whose VMs exist, without the system pool."""
        answer = await self._fetch(f"{self.layout.arm_url}/local/instances", self._arm)
        return [each for each in answer["instances"] if each["mode"] != "System"]

    async def play(
        self, *rules: Mapping[str, object], quotas: Mapping[str, int] | None = None
    ) -> None:
        """Have the cloud go wrong by these rules, and with these limits, until the next call.

        Args:
            rules: what goes wrong.
            quotas: vCPUs by family; those that are not named have no limit.
        """
        async with (
            aiohttp.ClientSession() as session,
            session.put(
                f"{self.layout.arm_url}/local/scenario",
                json={"rules": list(rules), "quotas": dict(quotas or {})},
                ssl=self._arm,
            ) as response,
        ):
            assert response.status == 204, await response.text()

    async def chat(self, body: Mapping[str, object], name: str = WORKSPACE) -> tuple[int, Json]:
        """Status and answer of POST /chat at the Service's own address."""
        return await self.ask("/chat", body, name)

    async def ask(self, path: str, body: Mapping[str, object], name: str) -> tuple[int, Json]:
        """Status and answer of a POST at a Service's own address, as soon as that is open.

        Behind an address that is closed is nobody yet: it follows its endpoints a moment later.
        """
        url = f"http://{await self.cluster_ip(name)}{path}"

        async def asked() -> tuple[int, Json] | None:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(url, json=body) as response,
                ):
                    return response.status, await response.json()
            except aiohttp.ClientConnectorError:
                return None

        answer = await until(f"{url} to be open", asked, limit_seconds=ROUTED_SECONDS)
        assert answer
        return answer

    async def kubectl(self, *words: str, stdin: str = "") -> Finished:
        """Run kubectl as the administrator."""
        config = ("--kubeconfig", str(self.layout.admin_kubeconfig))
        cache = ("--cache-dir", str(self.layout.run / "kubectl"))
        return await run(
            str(self.layout.binaries / "kubectl"), *config, *cache, *words, stdin=stdin
        )

    async def _fetch(self, url: str, trusted: ssl.SSLContext) -> Json:
        """Decoded JSON, None for 404; asks again where the server says 429 and when."""
        while True:
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, ssl=trusted) as response,
            ):
                if response.status == 404:
                    return None
                if response.status != 429:
                    response.raise_for_status()
                    return json.loads(await response.read())
                seconds = float(response.headers.get("Retry-After", "1"))
            await asyncio.sleep(seconds)


async def run(
    *words: str, stdin: str = "", environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**os.environ, **environment} if environment else None,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(stdin.encode())
    return Finished(process.returncode or 0, output.decode(), errors.decode())


async def until(
    what: str, look: Callable[[], Awaitable[T]], *, limit_seconds: float = LIMIT_SECONDS
) -> T:
    """Look until there is something to see; returns it."""
    deadline = time.monotonic() + limit_seconds
    while True:
        seen = await look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what}: not seen within {limit_seconds} s"
        await asyncio.sleep(LOOK_SECONDS)


def condition(obj: Json, type_: str) -> Json:
    """A condition of an object, or an empty mapping."""
    found = (obj or {}).get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == type_), {})


def holds(obj: Json, type_: str) -> bool:
    """Whether a condition is True."""
    return bool(condition(obj, type_).get("status") == "True")


def quick_start(name: str, **changes: object) -> str:
    """The quick start under another name, with some fields replaced or (None) removed."""
    wire = yaml.safe_load(EXAMPLE.read_text())
    wire["metadata"]["name"] = name
    for field, value in changes.items():
        if value is None:
            del wire[field]
        else:
            wire[field] = value
    return json.dumps(wire)
