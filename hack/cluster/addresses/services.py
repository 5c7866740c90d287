"""The service proxy: listens on every cluster IP and forwards to a ready endpoint.

Cluster IPs are loopback addresses, so that the address which `kubectl get service` prints
answers on this machine. A port without a ready endpoint is closed, as behind kube-proxy.
"""

from __future__ import annotations

import asyncio

import structlog

from hack.cluster.addresses.routes import (
    ENDPOINT_SLICES,
    SERVICES,
    Address,
    EndpointSlice,
    Routes,
    Service,
    routes,
)
from hack.cluster.addresses.streams import join
from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.informer import Informer

log = structlog.get_logger()

SERVICE_OPENED = "service.opened"
SERVICE_CLOSED = "service.closed"
SERVICE_REFUSED = "service.refused"
CONNECT_SECONDS = 5.0


class Listeners:
    """The open listeners, kept in step with the routes."""

    def __init__(self) -> None:
        self._routes: Routes = {}
        self._servers: dict[Address, asyncio.Server] = {}
        self._turn = 0

    async def follow(self, wanted: Routes) -> None:
        """Open and close listeners; connections that exist go on as they are."""
        self._routes = wanted
        for address in self._servers.keys() - wanted.keys():
            self._servers.pop(address).close()
            log.info(SERVICE_CLOSED, address=str(address))
        for address in sorted(wanted.keys() - self._servers.keys()):
            await self._open(address)

    def close(self) -> None:
        """Close all listeners."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    async def _open(self, address: Address) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._forward(address, reader, writer)
            finally:
                writer.close()

        try:
            server = await asyncio.start_server(serve, address.host, address.port)
        except OSError as error:
            log.warning(SERVICE_REFUSED, address=str(address), error=str(error))
            return
        self._servers[address] = server
        log.info(SERVICE_OPENED, address=str(address))

    async def _forward(
        self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        behind = self._routes.get(address, ())
        self._turn += 1
        for step in range(len(behind)):
            endpoint = behind[(self._turn + step) % len(behind)]
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    far = await asyncio.open_connection(endpoint.host, endpoint.port)
            except (OSError, TimeoutError):
                continue
            await join((reader, writer), far)
            return


async def serve_services(layout: Layout, client: Client, listeners: Listeners) -> None:
    """Keep listeners in step with the cluster's Services until cancelled."""
    services: Informer[Service] = Informer(client, SERVICES)
    slices: Informer[EndpointSlice] = Informer(client, ENDPOINT_SLICES)
    changed = asyncio.Event()
    services.on_change(lambda _old, _new: changed.set())
    slices.on_change(lambda _old, _new: changed.set())

    async def follow() -> None:
        await asyncio.gather(services.synced.wait(), slices.synced.wait())
        while True:
            changed.clear()
            await listeners.follow(routes(layout, services.store.list(), slices.store.list()))
            await changed.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(services.run())
        tasks.create_task(slices.run())
        tasks.create_task(follow())
