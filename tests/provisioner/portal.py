"""Somebody else with rights on the cluster: pools made, aborted and deleted behind our back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp

from hack.cluster import layout as names
from hack.cluster.arm import addresses
from hack.cluster.layout import FEDERATED_AUDIENCE, OPERATOR_NAMESPACE, Layout
from tests.bystander import Bystander, Json

VERSION = "2026-08-01"


class Portal:
    """Asks ARM for what its own caller wants."""

    def __init__(self, layout: Layout, assertion: str) -> None:
        self._layout = layout
        self._assertion = assertion
        self._trust = ssl.create_default_context(cafile=str(layout.arm_ca_certificate))

    @classmethod
    async def beside(cls, cluster: Bystander) -> Portal:
        """The cloud of a cluster, for somebody who has the rights of the provisioner."""
        words = ("create", "token", "provisioner", f"--namespace={OPERATOR_NAMESPACE}")
        made = await cluster.kubectl(*words, f"--audience={FEDERATED_AUDIENCE}")
        assert made.code == 0, made.errors
        return cls(cluster.layout, made.output.strip())

    async def create(self, pool: str, vm_size: str) -> None:
        """Begin to create a pool that is nobody's claim."""
        body = {"properties": {"count": 1, "vmSize": vm_size}}
        assert await self._ask("PUT", pool, body) == HTTPStatus.CREATED

    async def create_all(self, pools: Mapping[str, Json]) -> None:
        """Begin to create pools with these properties, all at once and signed in once."""
        async with self._session() as session:
            headers = await self._headers(session)

            async def create(pool: str, properties: Json) -> None:
                body = {"properties": properties}
                url = self._url(pool)
                async with session.put(url, json=body, headers=headers) as answer:
                    assert answer.status == HTTPStatus.CREATED, await answer.text()

            async with asyncio.TaskGroup() as tasks:
                for pool, properties in pools.items():
                    tasks.create_task(create(pool, properties))

    async def scale(self, pool: str, properties: Json, *, count: int) -> None:
        """Begin to give a pool of these properties another number of machines."""
        body = {"properties": {**properties, "count": count}}
        assert await self._ask("PUT", pool, body) == HTTPStatus.OK

    async def abort(self, pool: str) -> None:
        """Abort the operation that a pool is in."""
        assert await self._ask("POST", f"{pool}/abort") == HTTPStatus.ACCEPTED

    async def delete(self, pool: str) -> None:
        """Begin to delete a pool."""
        assert await self._ask("DELETE", pool) == HTTPStatus.ACCEPTED

    async def _ask(self, method: str, path: str, body: Json = None) -> int:
        async with self._session() as session:
            headers = await self._headers(session)
            url = self._url(path)
            async with session.request(method, url, json=body, headers=headers) as answer:
                return answer.status

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._trust))

    def _url(self, path: str) -> str:
        return f"{self._layout.arm_url}{addresses.pools_path()}/{path}?api-version={VERSION}"

    async def _headers(self, session: aiohttp.ClientSession) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {await self._token(session)}"}

    async def _token(self, session: aiohttp.ClientSession) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": names.CLIENT_ID,
            "client_assertion": self._assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "scope": "https://management.azure.com/.default",
        }
        url = f"{self._layout.arm_url}/{names.TENANT_ID}/oauth2/v2.0/token"
        async with session.post(url, data=form) as answer:
            return str((await answer.json())["access_token"])
