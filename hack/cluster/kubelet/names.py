"""The names that pods know each other by, kept in step with the cluster's Services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hack.cluster.addresses.names import names
from hack.cluster.addresses.routes import ENDPOINT_SLICES, SERVICES, EndpointSlice, Service
from hack.cluster.layout import Layout
from kaito.kube.client import Client
from kaito.kube.informer import Informer


class Names:
    """Lines for pods' hosts files: there is no name server on loopback."""

    def __init__(self, layout: Layout, client: Client) -> None:
        self._layout = layout
        self._services: Informer[Service] = Informer(client, SERVICES)
        self._slices: Informer[EndpointSlice] = Informer(client, ENDPOINT_SLICES)

    def of(self, namespace: str) -> str:
        """What pods of a namespace are told."""
        services, slices = self._services.store.list(), self._slices.store.list()
        return names(self._layout, services, slices, namespace=namespace)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call it whenever any name may have changed."""
        self._services.on_change(lambda _old, _new: changed())
        self._slices.on_change(lambda _old, _new: changed())

    async def run(self) -> None:
        """Follow the cluster until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._slices.run())
