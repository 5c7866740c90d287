"""Wire the workspace controller: each constructor is handed what it needs, by hand."""

from __future__ import annotations

from collections.abc import Iterable

from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.workspace import WORKSPACES
from kaito.catalog.catalog import read_catalog
from kaito.controllers.workspace.controller import WorkspaceReconciler
from kaito.controllers.workspace.observe import (
    BY_WORKSPACE,
    Options,
    Stores,
    by_workspace,
    workspace_of,
)

from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK
from kaito.kube.controller import Controller
from kaito.kube.events import Recorder
from kaito.kube.kinds import DEPLOYMENTS, NODES, PODS, SERVICES, Node
from kaito.kube.lease import Elector
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.nodes.selector import is_matching
from kaito.settings import Settings

NAME = "kaito"
"""Field manager, event source and name of the lease."""


async def run(settings: Settings) -> int:
    """Run the controller until it is told to stop.

    Returns:
        Exit code of the process.
    """
    catalog = read_catalog(settings.presets_dir)
    client = await Client.connect(
        user_agent=NAME, field_manager=NAME, kubeconfig=settings.kubeconfig
    )
    try:
        manager = Manager(
            client,
            elector=_elector(client, settings),
            host=settings.host,
            health_port=settings.health_port,
            metrics_port=settings.metrics_port,
        )
        recorder = Recorder(client, controller=NAME, instance=settings.identity)
        ours = {"labels": labels.WORKSPACE, "indexes": {BY_WORKSPACE: by_workspace}}
        workspaces = manager.informer(WORKSPACES)
        claims = manager.informer(MACHINES, **ours)
        nodes = manager.informer(NODES)
        services = manager.informer(SERVICES, labels=labels.WORKSPACE)
        deployments = manager.informer(DEPLOYMENTS, labels=labels.WORKSPACE)
        pods = manager.informer(PODS, **ours)
        reconciler = WorkspaceReconciler(
            stores=Stores(
                workspaces=workspaces.store,
                claims=claims.store,
                nodes=nodes.store,
                services=services.store,
                deployments=deployments.store,
                pods=pods.store,
            ),
            client=client,
            recorder=recorder,
            catalog=catalog,
            options=Options(registry=settings.preset_registry),
            now=SYSTEM_CLOCK.now,
        )
        controller = Controller("workspace", reconciler.reconcile, workers=settings.workers)
        controller.watch(workspaces, lambda workspace: (workspace.ref,))
        for informer in (claims, services, deployments, pods):
            controller.watch(informer, workspace_of)

        def concerned(node: Node) -> Iterable[Ref]:
            """Workspaces that may run on `node`."""
            for workspace in workspaces.store.list():
                if is_matching(
                    node.metadata.labels, workspace.resource.label_selector.match_labels
                ):
                    yield workspace.ref

        controller.watch(nodes, concerned)
        manager.add(controller)
        manager.background("events", recorder.run)
        return await manager.run()
    finally:
        await client.close()


def _elector(client: Client, settings: Settings) -> Elector | None:
    """The lease that replicas take turns with, None when there is but one by intent."""
    if not settings.leader_elect:
        return None
    return Elector(
        client,
        Ref(settings.namespace, NAME),
        settings.identity,
        hold_seconds=settings.lease_seconds,
        renew_seconds=settings.renew_seconds,
        retry_seconds=settings.retry_seconds,
    )
