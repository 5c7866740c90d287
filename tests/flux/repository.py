"""A repository as Flux sees it: an artifact over HTTP, and an object that names it.

No source-controller runs here. What it would write into the GitRepository's status after a push,
the address and digest of the artifact, is written by the test.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Self

from aiohttp import web

from tests.bystander import Bystander

NAMESPACE = "flux-system"
NAME = "flux-system"
"""As `flux bootstrap` calls both."""

Tree = dict[str, bytes]
"""Content of every file, by its path from the root."""


class Repository:
    """One repository, whose working tree is `files`.

    Attributes:
        files: the tree that the next push publishes.
    """

    def __init__(self, cluster: Bystander, files: Mapping[str, bytes]) -> None:
        self.files: Tree = dict(files)
        self._cluster = cluster
        self._artifacts: dict[str, bytes] = {}
        self._url = ""

    @classmethod
    @asynccontextmanager
    async def serving(cls, cluster: Bystander, files: Mapping[str, bytes]) -> AsyncIterator[Self]:
        """A repository with one commit, while the context is open."""
        repository = cls(cluster, files)
        server = web.Application()
        server.router.add_get("/{revision}.tar.gz", repository._answer)
        runner = web.AppRunner(server, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            repository._url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await repository._create()
            await repository.push()
            yield repository
        finally:
            await runner.cleanup()

    async def push(self) -> str:
        """Publish the tree; returns its revision, e.g. "main@sha1:1f2e"."""
        content = _packed(self.files)
        revision = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self._artifacts[revision] = content
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        artifact = {
            "url": f"{self._url}/{revision}.tar.gz",
            "path": f"gitrepository/{NAMESPACE}/{NAME}/{revision}.tar.gz",
            "revision": f"main@sha1:{revision}",
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "lastUpdateTime": now,
            "size": len(content),
        }
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": f"stored artifact for revision {artifact['revision']}",
            "lastTransitionTime": now,
        }
        status = {"status": {"observedGeneration": 1, "artifact": artifact, "conditions": [ready]}}
        patched = await self._cluster.kubectl(
            *("patch", "gitrepository", NAME, "--namespace", NAMESPACE),
            *("--subresource=status", "--type=merge", "--patch", json.dumps(status)),
        )
        assert patched.code == 0, patched.errors
        return str(artifact["revision"])

    async def _create(self) -> None:
        repository = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"interval": "1m", "url": "https://git.example/models"},
        }
        made = await self._cluster.kubectl("create", "-f", "-", stdin=json.dumps(repository))
        assert made.code == 0, made.errors

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(body=self._artifacts[request.match_info["revision"]])


def _packed(files: Tree) -> bytes:
    """A tar.gz that is the same for the same tree."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
