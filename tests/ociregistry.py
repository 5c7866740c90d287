"""A real OCI registry without a cluster: TLS by an authority of its own, one account."""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.parts import USUAL, Part, waves
from hack.cluster.pki import create_pki
from hack.cluster.process import Process
from hack.cluster.registry.binary import registry_program
from hack.cluster.registry.server import PROGRAM, address, credentials, furnish
from hack.cluster.slots import free_ports, held_slot

INDEX = "application/vnd.oci.image.index.v1+json"


class OciRegistry:
    """A registry that can be stopped and started again; what it holds stays."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return address(self.layout)

    @property
    def authority(self) -> Path:
        """Certificate that its own is signed by."""
        return self.layout.ca_certificate

    @property
    def uploads(self) -> list[Path]:
        """Uploads that were begun and not finished."""
        return list((self.layout.home / "registry" / "data").rglob("_uploads/*/data"))

    def upload_sizes(self) -> list[int]:
        """How many bytes of each are there; one that ends meanwhile is passed over."""
        sizes: list[int] = []
        for path in self.uploads:
            with suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return sizes

    def fill(self, at_bytes: int) -> None:
        """Fill its disk, until it is started again."""
        assert self._process
        fill(self._process.pid, at_bytes)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it: SIGSTOP has it stand still, with its port open."""
        assert self._process
        os.kill(self._process.pid, number)

    async def start(self) -> None:
        """Start it and wait until it answers."""
        part = self._part()
        self._process = await Process.start(
            part.program, folder=self.layout.home, logs=self.layout.logs
        )
        await self._process.until(part.ready, limit_seconds=60)

    async def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._process:
            await self._process.stop()

    def secret(self, folder: Path, *, password: str = "") -> Path:
        """Write what the kubelet makes of a pull secret: a folder of the Secret's name."""
        folder.mkdir(parents=True)
        content = credentials(self.layout, **({"password": password} if password else {}))
        (folder / ".dockerconfigjson").write_text(content)
        return folder

    def login(self) -> str:
        """User and password as HTTP sends them."""
        account = json.loads(credentials(self.layout))["auths"][self.address]
        return base64.b64encode(f"{account['username']}:{account['password']}".encode()).decode()

    async def manifest(self, reference: str) -> bytes:
        """The index that it has under a digest, as it sends it."""
        name, _, digest = reference.partition("@")
        path = f"https://{self.address}/v2/{name.partition('/')[2]}/manifests/{digest}"
        headers = {"Accept": INDEX, "Authorization": f"Basic {self.login()}"}
        trust = ssl.create_default_context(cafile=str(self.authority))
        async with (
            aiohttp.ClientSession() as http,
            http.get(path, headers=headers, ssl=trust) as got,
        ):
            assert got.status == 200, await got.text()
            return await got.read()

    def _part(self) -> Part:
        first = waves(self.layout, USUAL)[0]
        return next(part for part in first if part.program.name == "registry")


def fill(pid: int, at_bytes: int) -> None:
    """Let a running registry write no file beyond a size: a push stays where it is, for a look."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (at_bytes, resource.RLIM_INFINITY))


def damage(layout: Layout, repository: str, tag: str) -> str:
    """Turn a bit of an image's first layer on the registry's disk; once more, and it is back.

    Returns:
        Digest of that layer.
    """
    tags = _disk(layout) / "repositories" / repository / "_manifests" / "tags"
    digest = (tags / tag / "current" / "link").read_text().strip()
    layer: str = json.loads(_blob(layout, digest).read_text())["layers"][0]["digest"]
    content = bytearray(_blob(layout, layer).read_bytes())
    content[40] ^= 1
    _blob(layout, layer).write_bytes(content)
    return layer


def _blob(layout: Layout, digest: str) -> Path:
    """File of what has a digest."""
    kind, _, name = digest.partition(":")
    return _disk(layout) / "blobs" / kind / name[:2] / name / "data"


def _disk(layout: Layout) -> Path:
    return layout.home / "registry" / "data" / "docker" / "registry" / "v2"


@asynccontextmanager
async def oci_registry(home: Path) -> AsyncIterator[OciRegistry]:
    """A registry in an empty folder, made if need be, until the block is left."""
    program = registry_program(cache_folder(), offline=False, report=print)
    with held_slot() as slot:
        layout = Layout(slot=slot, home=home, repo=home, cache=home, ports=free_ports(slot))
        for folder in (home, layout.binaries, layout.logs, layout.arm):
            folder.mkdir(exist_ok=True)
        (layout.binaries / PROGRAM).symlink_to(program)
        create_pki(layout)
        furnish(layout)
        registry = OciRegistry(layout)
        try:
            await registry.start()
            yield registry
        finally:
            await registry.stop()
