"""A real API server with etcd and nothing else, and our Kinds in it: one for a ring of tests."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import yaml

from hack.cluster import binaries, controlplane
from hack.cluster.cache import cache_folder
from hack.cluster.layout import Layout
from hack.cluster.parts import READY_SECONDS
from hack.cluster.pki import create_pki
from hack.cluster.probe import Probe, client_context
from hack.cluster.process import Process, Program
from hack.cluster.session import REPO
from hack.cluster.slots import free_ports, held_slot
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES
from kaito.kube.client import Client
from kaito.kube.errors import NotFound

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Flags = Callable[[Layout], Sequence[str]]

_OURS = ("manifests/crds", "manifests/components/karpenter-crds")


@asynccontextmanager
async def serving(
    *, cached: bool, flags: Flags = lambda _: (), defined: bool = True
) -> AsyncIterator[Layout]:
    """A server, ready, while the context is open.

    Args:
        cached: whether it answers from its watch cache, as servers do by default. Without
            one every read goes to etcd, so what etcd has compacted is gone at once.
        flags: more of them for the API server.
        defined: whether our Kinds are in it from the start.
    """
    cache = cache_folder()
    folder = cache / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="api-", dir=folder))
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
                program = _api_server(layout, cached=cached)
                program = replace(program, command=(*program.command, *flags(layout)))
                await _start(layout, program, processes)
                if defined:
                    await _define(layout, processes[-1])
                yield layout
            finally:
                for process in reversed(processes):
                    await process.stop()
    finally:
        shutil.rmtree(home)


async def connect(layout: Layout, field_manager: str) -> Client:
    """A client of the administrator."""
    return await Client.connect(
        user_agent=field_manager,
        field_manager=field_manager,
        kubeconfig=str(layout.admin_kubeconfig),
    )


async def compact(layout: Layout, version: str) -> None:
    """Have etcd forget everything before `version`."""
    url = f"https://127.0.0.1:{layout.ports.etcd}/v3/kv/compaction"
    connector = aiohttp.TCPConnector(ssl=_etcd_context(layout))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, json={"revision": version}) as answer,
    ):
        assert answer.status == 200, await answer.text()


def _api_server(layout: Layout, *, cached: bool) -> Program:
    program = controlplane.api_server(layout)
    flags = () if cached else ("--watch-cache=false",)
    return replace(program, command=(*program.command, *flags))


async def _start(layout: Layout, api_server: Program, processes: list[Process]) -> None:
    etcd = Probe(layout.ports.etcd, _etcd_context(layout))
    api = Probe.as_admin(layout, layout.ports.api_server)
    for program, ready in (
        (controlplane.etcd(layout), lambda: etcd.succeeds("/health")),
        (api_server, lambda: api.succeeds("/readyz")),
    ):
        process = await Process.start(program, folder=layout.home, logs=layout.logs)
        processes.append(process)
        await process.until(ready, limit_seconds=READY_SECONDS)


async def _define(layout: Layout, server: Process) -> None:
    """Create our CRDs and wait until they are served."""
    client = await connect(layout, "admin")
    try:
        for path in sorted(path for each in _OURS for path in (REPO / each).glob("*.yaml")):
            for definition in yaml.safe_load_all(path.read_text()):
                if definition.get("kind") == "CustomResourceDefinition":
                    await client.request("POST", DEFINITIONS, body=definition)
        await server.until(lambda: _serves(client), limit_seconds=READY_SECONDS)
    finally:
        await client.close()


async def _serves(client: Client) -> bool:
    """Whether our Kinds can be listed."""
    try:
        for resource in (MACHINES, NODECLAIMS, WORKSPACES):
            await client.list(resource)
    except NotFound:
        return False
    return True


def _etcd_context(layout: Layout) -> ssl.SSLContext:
    party = layout.certificate("etcd-client"), layout.key("etcd-client")
    return client_context(layout.certificate("etcd-ca"), *party)
