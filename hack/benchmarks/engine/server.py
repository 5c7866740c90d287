"""The API server of a case: a process of its own, empty at first."""

from __future__ import annotations

import json
import sys
import tempfile
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

_LONG = aiohttp.ClientTimeout(total=None)


@dataclass(frozen=True, slots=True)
class Server:
    """A running API server.

    Attributes:
        url: where changes are made and watched, and orders are given.
        kubeconfig: path of a file that names the door at which faults are met.
        session: connections to `url`.
    """

    url: str
    kubeconfig: str
    session: aiohttp.ClientSession

    async def order(self, name: str, **arguments: object) -> dict[str, Any]:
        """Have something done that an API server does not offer; see `tests.virtual.orders`."""
        async with self.session.post(f"{self.url}/local/{name}", json=arguments) as answer:
            answer.raise_for_status()
            told: dict[str, Any] = await answer.json()
        return told

    async def get(self, path: str) -> dict[str, Any]:
        """What there is at a path."""
        async with self.session.get(self.url + path) as answer:
            answer.raise_for_status()
            told: dict[str, Any] = await answer.json()
        return told

    async def merge(self, path: str, patch: object) -> dict[str, Any]:
        """The object at a path after a merge patch."""
        headers = {"Content-Type": "application/merge-patch+json"}
        body = json.dumps(patch)
        async with self.session.patch(self.url + path, data=body, headers=headers) as answer:
            answer.raise_for_status()
            told: dict[str, Any] = await answer.json()
        return told


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server, until the context is left."""
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "tests.virtual.served"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin, "it was asked for"
    assert process.stdout, "it was asked for"
    try:
        front, back = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(_kubeconfig(front), file)
            file.flush()
            async with aiohttp.ClientSession(timeout=_LONG) as session:
                yield Server(back, file.name, session)
    finally:
        process.stdin.close()
        await process.wait()


def _kubeconfig(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {}}],
    }
