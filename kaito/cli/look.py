"""Read a Workspace and what was made for it from the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain
from typing import TypeVar

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.cli.scene import Claim, Scene, Workload
from kaito.kube.client import Client
from kaito.kube.errors import Denied, NotFound
from kaito.kube.kinds import DEPLOYMENTS, JOBS, NODES, PODS, SERVICES, STATEFULSETS, Node, Pod
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource

T = TypeVar("T", bound=KubeObject)


class Looker:
    """One look; what may not be read is noted, and the rest is shown without it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._hidden: list[str] = []

    async def scene(self, ref: Ref) -> Scene | None:
        """What there is of a Workspace; None when there is no such object.

        Raises:
            KubeError: the API server cannot be asked, or does not show Workspaces.
        """
        workspace = await self._client.get(WORKSPACES, ref)
        if workspace is None:
            return None
        mine = f"{labels.WORKSPACE}={ref.name}"
        theirs = f"{mine},{labels.WORKSPACE_NAMESPACE}={ref.namespace}"
        machines, claims, pods, deployments, sets, jobs = await asyncio.gather(
            self._list(MACHINES, selector=theirs),
            self._list(NODECLAIMS, selector=theirs),
            self._list(PODS, ref.namespace, mine),
            self._list(DEPLOYMENTS, ref.namespace, mine),
            self._list(STATEFULSETS, ref.namespace, mine),
            self._list(JOBS, ref.namespace, mine),
        )
        asked: tuple[Claim, ...] = (*machines, *claims)
        nodes, service = await asyncio.gather(
            self._nodes(workspace, asked, pods), self._get(SERVICES, ref)
        )
        workloads: tuple[Workload, ...] = (*deployments, *sets, *jobs)
        return Scene(
            now=self._client.clock.now(),
            workspace=workspace,
            claims=asked,
            nodes=nodes,
            workloads=workloads,
            pods=pods,
            service=service,
            hidden=tuple(dict.fromkeys(self._hidden)),
        )

    async def others(self, namespace: str) -> tuple[str, ...]:
        """Names of the Workspaces of a namespace.

        Raises:
            NotFound: the API server does not know the Kind.
        """
        found = await self._client.list(WORKSPACES, namespace=namespace)
        return tuple(sorted(each.metadata.name for each in found))

    async def _nodes(
        self, workspace: Workspace, claims: Iterable[Claim], pods: Iterable[Pod]
    ) -> tuple[Node, ...]:
        """The nodes that anything of the Workspace names."""
        names = chain(
            workspace.status.worker_nodes,
            (claim.status.node_name for claim in claims),
            (pod.spec.node_name for pod in pods),
        )
        wanted = [Ref("", name) for name in sorted(set(names)) if name]
        found = await asyncio.gather(*(self._get(NODES, ref) for ref in wanted))
        return tuple(filter(None, found))

    async def _list(
        self, resource: Resource[T], namespace: str = "", selector: str = ""
    ) -> tuple[T, ...]:
        """Objects by name; none where the Kind is not served."""
        try:
            found = await self._client.list(resource, namespace=namespace, labels=selector)
        except NotFound:
            return ()
        except Denied as error:
            self._hidden.append(f"not shown: {error.message}")
            return ()
        return tuple(sorted(found, key=lambda item: item.ref))

    async def _get(self, resource: Resource[T], ref: Ref) -> T | None:
        """One object, None where there is none."""
        try:
            return await self._client.get(resource, ref)
        except Denied as error:
            self._hidden.append(f"not shown: {error.message}")
            return None
