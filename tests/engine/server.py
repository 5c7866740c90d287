"""Etcd and kube-apiserver, and nothing else; every read goes to etcd, so compaction shows."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from hack.cluster import binaries, controlplane
from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.parts import READY_SECONDS
from hack.cluster.pki import create_pki
from hack.cluster.probe import Probe, client_context
from hack.cluster.process import Process
from hack.cluster.session import REPO
from hack.cluster.slots import free_ports, held_slot


@asynccontextmanager
async def serving() -> AsyncIterator[Layout]:
    """A server of one's own, while the context is open."""
    cache = cache_folder()
    folder = cache / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="engine-", dir=folder))
    commands = binaries.sources(REPO, cache, offline=True, report=lambda _line: None).commands()
    processes: list[Process] = []
    try:
        with held_slot() as slot:
            layout = Layout(slot=slot, home=home, repo=REPO, cache=cache, ports=free_ports(slot))
            layout.logs.mkdir()
            layout.run.mkdir()
            binaries.install(commands, layout.binaries)
            create_pki(layout)
            controlplane.write_egress_configuration(layout)
            try:
                await _start(layout, processes)
                yield layout
            finally:
                for process in reversed(processes):
                    await process.stop()
    finally:
        shutil.rmtree(home)


async def compact(layout: Layout, version: str) -> None:
    """Have etcd forget everything before `version`."""
    url = f"https://127.0.0.1:{layout.ports.etcd}/v3/kv/compaction"
    connector = aiohttp.TCPConnector(ssl=_etcd_context(layout))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, json={"revision": version}) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def _start(layout: Layout, processes: list[Process]) -> None:
    etcd = Probe(layout.ports.etcd, _etcd_context(layout))
    api = Probe.as_admin(layout, layout.ports.api_server)
    server = controlplane.api_server(layout)
    uncached = replace(server, command=(*server.command, "--watch-cache=false"))
    for program, ready in (
        (controlplane.etcd(layout), lambda: etcd.succeeds("/health")),
        (uncached, lambda: api.succeeds("/readyz")),
    ):
        process = await Process.start(program, folder=layout.home, logs=layout.logs)
        processes.append(process)
        await process.until(ready, limit_seconds=READY_SECONDS)


def _etcd_context(layout: Layout) -> ssl.SSLContext:
    party = layout.certificate("etcd-client"), layout.key("etcd-client")
    return client_context(layout.certificate("etcd-ca"), *party)
