"""Agent pools through the Azure SDK: each call is one request, begun and never waited for.

The SDK's retries are off, and so are those of a write below it. They would hold a worker for as
long as Retry-After says and repeat a PUT that nobody decided on; when to try again is the
planner's business.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp
from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.mgmt.containerservice.aio import ContainerServiceClient
from azure.mgmt.containerservice.models import AgentPool

from kaito.kube.clock import SYSTEM_CLOCK
from kaito.kube.once import once
from provisioner import metrics
from provisioner.azure import agentpool, errors
from provisioner.azure.agentpool import PLAIN, Custom
from provisioner.azure.pipeline import pipeline
from provisioner.azure.preflight import Preflight
from provisioner.cloud import Instance, InstanceSpec
from provisioner.failures import CloudDenied, CloudError, CloudThrottled, CloudUnavailable
from provisioner.turns import Turns

API_VERSION = "2026-08-01"
"""Of agent pools: what the SDK's models are made for."""

PAGE_TRIES = 10
"""Before a list is given up because one page of it is throttled again and again."""

_MESSAGE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which AKS cluster, and where its API is.

    Attributes:
        subscription_id: of the cluster.
        resource_group: that the cluster is in.
        name: of the cluster.
        endpoint: of Azure Resource Manager, e.g. "https://management.azure.com".
        scope: of tokens for it, e.g. "https://management.azure.com/.default".
        location: region of the cluster; "" when it is not to be asked what that sells.
        ca_file: bundle to check the endpoint with; "" for the system's.
    """

    subscription_id: str
    resource_group: str
    name: str
    endpoint: str
    scope: str
    ca_file: str = ""
    location: str = ""


class AksCloud:
    """The `Cloud` whose instances are agent pools of one AKS cluster, of one machine each."""

    def __init__(
        self,
        cluster: Cluster,
        credential: AsyncTokenCredential,
        *,
        custom: Custom = PLAIN,
        call_seconds: float = 30.0,
    ) -> None:
        self._cluster = cluster
        self._custom = custom
        self._credential = credential
        self._call_seconds = call_seconds
        self.turns = Turns(SYSTEM_CLOCK.monotonic)
        self._client = ContainerServiceClient(
            credential,
            cluster.subscription_id,
            base_url=cluster.endpoint,
            credential_scopes=[cluster.scope],
            api_version=API_VERSION,
            transport=kept_connections(cluster.ca_file),
            policies=pipeline(credential, cluster.scope),
        )
        self._preflight = Preflight(
            self._rows, subscription_id=cluster.subscription_id, location=cluster.location
        )

    async def launch(self, spec: InstanceSpec) -> None:
        """Begin to create an agent pool; If-None-Match keeps the request from changing one."""
        pool = AgentPool(agentpool.body(spec, self._custom))
        await self._preflight.check(spec)
        async with self._call("launch"):
            await self._client.agent_pools.begin_create_or_update(
                self._cluster.resource_group,
                self._cluster.name,
                spec.name,
                pool,
                match_condition=MatchConditions.IfMissing,
                polling=False,
            )

    async def terminate(self, name: str) -> None:
        """Begin to delete an agent pool; one that is not there is a success."""
        async with self._call("terminate"):
            try:
                await self._client.agent_pools.begin_delete(
                    self._cluster.resource_group, self._cluster.name, name, polling=False
                )
            except HttpResponseError as error:
                if not errors.is_pool_gone(_status(error), _told(error)):
                    raise

    async def instances(self) -> tuple[Instance, ...]:
        """Every agent pool of the cluster."""
        found: list[Instance] = []
        next_page = ""
        while True:
            pools, next_page = await self._page(next_page)
            found += map(agentpool.instance, pools)
            if not next_page:
                known = (
                    replace(one, capacity=self._preflight.capacity(one.vm_size)) for one in found
                )
                return tuple(sorted(known, key=lambda instance: instance.name))

    async def _page(self, address: str) -> tuple[Sequence[Mapping[str, object]], str]:
        """The agent pools at that address, "" for the first page, and the address of the next.

        A page that is throttled is asked for again: to begin anew would ask for more of them. It
        is read as it came: the SDK would first make a model of each pool, at each look.
        """
        for last in (*(False,) * (PAGE_TRIES - 1), True):
            await self._turn()
            try:
                async with self._call("list"):
                    version = {} if address else {"api-version": API_VERSION}
                    request = HttpRequest("GET", address or self._pools_path(), params=version)
                    response = await self._client.send_request(request)
                    response.raise_for_status()
                    page = response.json()
                    return page["value"], page.get("nextLink") or ""
            except CloudThrottled:
                if last or not address:
                    raise
        raise AssertionError("a page is tried at least once")

    def _pools_path(self) -> str:
        """Where the agent pools of the cluster are."""
        cluster = self._cluster
        return (
            f"/subscriptions/{quote(cluster.subscription_id)}"
            f"/resourceGroups/{quote(cluster.resource_group)}"
            f"/providers/Microsoft.ContainerService/managedClusters/{quote(cluster.name)}/agentPools"
        )

    async def _turn(self) -> None:
        """Wait for the list's turn, unless that is so long that it must be told."""
        left = self.turns.seconds("list", any_line=True)
        if left > self._call_seconds:
            said = f"The cloud asked for a pause, of which {left:.0f} s are left"
            raise CloudThrottled("Paused", said, retry_after_seconds=left)
        if left > 0:
            await self.turns.wait("list")

    async def _rows(self, path: str, params: Mapping[str, str]) -> tuple[object, ...]:
        """All items of a list of ARM, through all pages."""
        rows: list[object] = []
        request = HttpRequest("GET", path, params=dict(params))
        async with self._call("preflight"):
            while True:
                response = await self._client.send_request(request)
                response.raise_for_status()
                page = response.json()
                rows += page["value"]
                if not page.get("nextLink"):
                    return tuple(rows)
                request = HttpRequest("GET", page["nextLink"])

    async def close(self) -> None:
        """Close the connections to ARM and to the token endpoint."""
        await self._client.close()
        await self._credential.close()

    @asynccontextmanager
    async def _call(self, operation: str) -> AsyncIterator[None]:
        """Translate what the SDK raises, bound the time, and take it."""
        begun, outcome = time.perf_counter(), "ok"
        try:
            async with asyncio.timeout(self._call_seconds):
                yield
        except TimeoutError as error:
            outcome = CloudUnavailable.__name__
            said = f"The cloud did not answer within {self._call_seconds:g} s"
            raise CloudUnavailable("Timeout", said) from error
        except (AzureError, OSError) as error:
            failure = translated(error)
            if isinstance(failure, CloudThrottled):
                self.turns.refused(failure.retry_after_seconds)
            outcome = type(failure).__name__
            raise failure from error
        finally:
            metrics.CLOUD_CALL_SECONDS.labels(operation, outcome).observe(
                time.perf_counter() - begun
            )


def kept_connections(ca_file: str) -> AioHttpTransport:
    """Connections that serve many requests; must be made in a running loop.

    Left alone with a CA file, the SDK reads it and shakes hands anew for each request.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file or None)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=True,
        middlewares=(once,),
    )
    return AioHttpTransport(session=session)


def translated(error: AzureError | OSError) -> CloudError:
    """The failure that an exception of the SDK stands for."""
    if isinstance(error, OSError):
        said = f"The federated token cannot be read: {error.strerror} ({error.filename})"
        return CloudDenied("TokenFileUnreadable", said)
    if isinstance(error, ClientAuthenticationError):
        told = _told(error)
        return CloudDenied(told.code or "AuthenticationFailed", told.message or _line(error))
    if isinstance(error, HttpResponseError) and error.response is not None:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        after = headers.get("Retry-After", "")
        return errors.classified(_told(error), status=_status(error), retry_after=after)
    return CloudUnavailable(type(error).__name__, _line(error))


def _status(error: HttpResponseError) -> int:
    return int(error.status_code or 0)


def _told(error: HttpResponseError) -> errors.ArmError:
    """The body of the answer, read as an error."""
    if error.response is None:
        return errors.ArmError("", "")
    return errors.decoded(error.response.text())


def _line(error: AzureError) -> str:
    """What an exception says, on one line of bounded length; its text would repeat the answer."""
    return " ".join(str(error.message).split())[:_MESSAGE_LIMIT]
