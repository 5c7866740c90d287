"""The reconciler on a bench: a real client, an API server in memory, caches filled by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.controllers.workspace.controller import WorkspaceReconciler
from kaito.controllers.workspace.departures import Departures
from kaito.controllers.workspace.observe import (
    BY_NODE,
    BY_TRAIT,
    BY_WORKSPACE,
    Options,
    Stores,
    by_node,
    by_workspace,
)
from kaito.controllers.workspace.refusal import Faults
from kaito.kube.client import Client
from kaito.kube.events import Recorder
from kaito.kube.kinds import DEPLOYMENTS, JOBS, NODES, PODS, SERVICES, STATEFULSETS
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.outcome import Outcome
from kaito.kube.resource import Resource
from kaito.kube.store import Index, Store, T
from kaito.kube.transport import Endpoint, Transport
from kaito.nodes.selection import traits, wanted_traits
from tests.unit.controllers.workspace.worlds import CATALOG, NOW, UID
from tests.unit.kube import apiserver
from tests.unit.kube.apiserver import Api, Seen
from tests.unit.kube.builders import Anonymous

REF = Ref("default", "w")
WORKSPACE = "/apis/kaito.sh/v1alpha1/namespaces/default/workspaces/w"
CLAIMS = "/apis/karpenter.sh/v1alpha5/machines"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/w"
SERVICE = "/api/v1/namespaces/default/services/w"
POD = "/api/v1/namespaces/default/pods/p"
NODE = "/api/v1/nodes/n1"


class Notebook(Recorder):
    """Takes note of Events instead of sending them.

    Attributes:
        noted: type and reason of each, in order.
    """

    def __init__(self, client: Client) -> None:
        super().__init__(client, controller="tests", instance="tests")
        self.noted: list[tuple[str, str]] = []

    def event(
        self,
        obj: KubeObject,
        resource: Resource[KubeObject],
        *,
        type: str,
        reason: str,
        message: str,
        action: str = "Reconcile",
    ) -> None:
        """Take note."""
        self.noted.append((type, str(reason)))


@dataclass
class Bench:
    """A reconciler and the world that it works on.

    Attributes:
        api: the API server.
        client: talks to it.
        now: what the reconciler takes for the present.
        faults: what it remembers of the server's.
        departures: what it remembers of claims that are there no more.
    """

    api: Api
    client: Client
    now: datetime = NOW
    recorder: Notebook = field(init=False)
    faults: Faults = field(default_factory=Faults)
    departures: Departures = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Notebook(self.client)
        self.departures = Departures(lambda: self.now)

    async def reconcile(
        self,
        *,
        without: Resource[KubeObject] | None = None,
        is_addressed: Callable[[Ref], bool] = lambda _: False,
    ) -> Outcome:
        """One pass, with caches that are up to date except for the kind `without`."""
        reconciler = WorkspaceReconciler(
            stores=self.caches(without),
            client=self.client,
            recorder=self.recorder,
            catalog=CATALOG,
            options=Options(registry=""),
            now=lambda: self.now,
            is_addressed=is_addressed,
            faults=self.faults,
            departures=self.departures,
        )
        return await reconciler.reconcile(REF)

    async def settle(self) -> None:
        """Passes until one changes nothing."""
        for _ in range(20):
            before = len(self.api.seen)
            await self.reconcile()
            if len(self.api.seen) == before:
                return
        raise AssertionError("the reconciler never comes to rest")

    async def come_up(self) -> None:
        """From nothing to a model that answers."""
        self.put_workspace()
        await self.settle()
        self.bring_node()
        await self.settle()
        self.start_pods()
        await self.settle()

    def caches(self, without: Resource[KubeObject] | None = None) -> Stores:
        """Caches that are up to date except for the kind `without`."""
        return Stores(
            workspaces=self._cache(
                WORKSPACES, without, {BY_NODE: by_node, BY_TRAIT: wanted_traits}
            ),
            machines=self._cache(MACHINES, without),
            node_claims=self._cache(NODECLAIMS, without),
            nodes=self._cache(NODES, without, {BY_TRAIT: traits}),
            services=self._cache(SERVICES, without),
            deployments=self._cache(DEPLOYMENTS, without),
            stateful_sets=self._cache(STATEFULSETS, without),
            jobs=self._cache(JOBS, without),
            pods=self._cache(PODS, without),
        )

    def _cache(
        self,
        resource: Resource[T],
        without: Resource[KubeObject] | None,
        indexes: Mapping[str, Index[T]] | None = None,
    ) -> Store[T]:
        store: Store[T] = Store(indexes or {BY_WORKSPACE: by_workspace})
        if resource == without:
            return store
        for path, wire in self.api.objects.items():
            if path.split("/")[-2] == resource.plural:
                store.put(resource.type.model_validate(wire))
        return store

    @property
    def workspace(self) -> Workspace:
        """The workspace as the API server has it."""
        return Workspace.model_validate(self.stored(WORKSPACE))

    def stored(self, path: str) -> Any:
        """An object as the API server has it."""
        return self.api.objects[path]

    @property
    def claim_path(self) -> str:
        """Where the one claim is."""
        (path,) = [path for path in self.api.objects if path.startswith(f"{CLAIMS}/")]
        return path

    def sent(self, method: str, path: str) -> list[Seen]:
        """Requests of one method below a path."""
        return [
            seen for seen in self.api.seen if seen.method == method and seen.path.startswith(path)
        ]

    def put_workspace(self, **changes: object) -> None:
        """Store the workspace of `worlds`."""
        wire: dict[str, object] = {
            "metadata": {"name": "w", "namespace": "default", "uid": UID, "generation": 1},
            "resource": {
                "instanceType": "Standard_X",
                "labelSelector": {"matchLabels": {"apps": "phi"}},
            },
            "inference": {"preset": {"name": "phi"}},
        }
        self.api.put(WORKSPACE, **(wire | changes))

    def change_metadata(self, path: str, **fields: object) -> None:
        """Change an object's metadata, as users and other controllers do."""
        self.api.put(path, metadata={**self.stored(path)["metadata"], **fields})

    def mark_deleted(self, path: str) -> None:
        """Begin a deletion that a finalizer holds up."""
        self.change_metadata(path, deletionTimestamp="2026-01-01T00:00:00Z")

    def bring_node(self) -> None:
        """Play the cloud: the claim is ready and its node has joined."""
        carried = self.stored(self.claim_path)["metadata"]["labels"]
        ready = [{"type": "MachineLaunched", "status": "True"}, {"type": "Ready", "status": "True"}]
        self.api.put(self.claim_path, status={"conditions": ready})
        self.api.put(
            NODE,
            metadata={"name": "n1", "labels": {**carried, labels.INSTANCE_TYPE: "Standard_X"}},
            status={
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {labels.GPU: "1"},
            },
        )

    def start_pods(self) -> None:
        """Play the Deployment's controller: every pod is ready."""
        counts = dict.fromkeys(
            ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 1
        )
        seen = {"observedGeneration": self.stored(DEPLOYMENT)["metadata"]["generation"]}
        self.api.put(DEPLOYMENT, status={**counts, **seen})


@asynccontextmanager
async def benched() -> AsyncIterator[Bench]:
    """A bench with nothing on it."""
    async with apiserver.served() as api:
        transport = Transport(Endpoint(api.url, Anonymous()), user_agent="tests/1", max_in_flight=8)
        client = Client(transport, field_manager="kaito")
        try:
            yield Bench(api, client)
        finally:
            await client.close()
