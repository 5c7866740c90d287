"""Wire the workspace controller: each constructor is handed what it needs, by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.api.nodeclaim import NODECLAIMS, NodeClaim
from kaito.api.workspace import WORKSPACES, Workspace
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.controllers.workspace.address import WORKERS, AddressReconciler
from kaito.controllers.workspace.controller import WorkspaceReconciler
from kaito.controllers.workspace.departures import Departures
from kaito.controllers.workspace.metrics import census
from kaito.controllers.workspace.observe import (
    BY_NODE,
    BY_TRAIT,
    BY_WORKSPACE,
    Options,
    Stores,
    by_node,
    by_workspace,
    workspace_of,
)
from kaito.kube import VERSION
from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.controller import Controller
from kaito.kube.events import Recorder
from kaito.kube.exposition import Census
from kaito.kube.health import Door
from kaito.kube.informer import Informer
from kaito.kube.kinds import (
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    SERVICES,
    STATEFULSETS,
    Deployment,
    Job,
    Node,
    Pod,
    Service,
    StatefulSet,
)
from kaito.kube.lease import Elector
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.nodes.selection import is_held_by, traits, wanted_traits
from kaito.nodes.selector import is_selected
from kaito.settings import Settings
from kaito.workloads.group import HEADLESS

NAME = "kaito"
"""Field manager, event source and name of the lease."""


@dataclass(frozen=True, slots=True)
class Informers:
    """Everything that is watched."""

    workspaces: Informer[Workspace]
    machines: Informer[Machine]
    node_claims: Informer[NodeClaim]
    nodes: Informer[Node]
    services: Informer[Service]
    deployments: Informer[Deployment]
    stateful_sets: Informer[StatefulSet]
    jobs: Informer[Job]
    pods: Informer[Pod]
    preflights: Informer[Pod]

    def stores(self) -> Stores:
        """What the informers know."""
        return Stores(
            workspaces=self.workspaces.store,
            machines=self.machines.store,
            node_claims=self.node_claims.store,
            nodes=self.nodes.store,
            services=self.services.store,
            deployments=self.deployments.store,
            stateful_sets=self.stateful_sets.store,
            jobs=self.jobs.store,
            pods=self.pods.store,
            preflights=self.preflights.store,
        )

    def concerned(self, node: Node) -> Iterable[Ref]:
        """Workspaces that may run on `node`, or have it."""
        known = self.workspaces.store
        for workspace in chain.from_iterable(
            known.by_index(BY_TRAIT, trait) for trait in traits(node)
        ):
            is_wanted = is_selected(workspace.resource.label_selector, node.metadata.labels)
            if is_wanted or is_held_by(workspace, node):
                yield workspace.ref

    def named(self, service: Service) -> Iterable[Ref]:
        """The workspaces that a Service is of, or that want its name."""
        name, namespace = service.metadata.name, service.metadata.namespace
        known = self.workspaces.store
        wanting = (Ref(namespace, each) for each in (name, name.removesuffix(HEADLESS)))
        found = (*workspace_of(service), *(ref for ref in wanting if known.get(ref)))
        return dict.fromkeys(found)


async def run(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Run the controller until it is told to stop.

    Returns:
        Exit code of the process.

    Raises:
        BrokenCatalog: a file of the catalogue does not say what it must.
    """
    catalog = read_catalog(
        settings.presets_dir, cloud=settings.cloud, origin=settings.preset_images
    )
    client = await Client.connect(
        user_agent=f"{NAME}/{VERSION}",
        field_manager=NAME,
        kubeconfig=settings.kubeconfig,
        clock=clock,
    )
    try:
        manager = Manager(
            client,
            elector=Elector.of(client, settings, name=NAME),
            host=settings.host,
            health_port=settings.health_port,
            metrics_port=settings.metrics_port,
            door=Door.of(client, settings, name=NAME),
        )
        recorder = Recorder(client, controller=NAME, instance=settings.identity)
        informers = _informers(manager)
        for controller in _controllers(informers, client, recorder, catalog, settings, clock):
            manager.add(controller)
        manager.background("events", recorder.run)
        manager.background("census", Census(census(informers.stores(), clock.now)).run)
        return await manager.run()
    finally:
        await client.close()


def _informers(manager: Manager) -> Informers:
    """Watch what is ours; of nodes and Services all, for a name may be somebody else's."""
    ours, indexes = labels.WORKSPACE, {BY_WORKSPACE: by_workspace}
    return Informers(
        workspaces=manager.informer(
            WORKSPACES, indexes={BY_NODE: by_node, BY_TRAIT: wanted_traits}
        ),
        machines=manager.informer(MACHINES, labels=ours, indexes=indexes, optional=True),
        node_claims=manager.informer(NODECLAIMS, labels=ours, indexes=indexes, optional=True),
        nodes=manager.informer(NODES, indexes={BY_TRAIT: traits}),
        services=manager.informer(SERVICES),
        deployments=manager.informer(DEPLOYMENTS, labels=ours),
        stateful_sets=manager.informer(STATEFULSETS, labels=ours),
        jobs=manager.informer(JOBS, labels=ours),
        pods=manager.informer(PODS, labels=ours, indexes=indexes),
        preflights=manager.informer(
            PODS, labels=labels.PREFLIGHT, indexes=indexes, name="preflights"
        ),
    )


def _controllers(
    informers: Informers,
    client: Client,
    recorder: Recorder,
    catalog: Catalog,
    settings: Settings,
    clock: Clock,
) -> tuple[Controller, ...]:
    """That of workspaces, and beside it that of their addresses; each is told of the other."""
    options = Options(
        settings.preset_registry,
        node_class=settings.new_node_class,
        node_lost_seconds=settings.node_lost_seconds,
        carrier=settings.carrier,
    )
    addresses = AddressReconciler(
        stores=informers.stores(),
        client=client,
        catalog=catalog,
        options=options,
        now=clock.now,
        leave=lambda ref: whole.nudge(ref),
    )
    beside = _addressing(informers, addresses, clock)
    reconciler = WorkspaceReconciler(
        stores=informers.stores(),
        client=client,
        recorder=recorder,
        catalog=catalog,
        options=options,
        now=clock.now,
        departures=Departures(clock.now, lambda: client.guard()),
        is_addressed=beside.is_busy,
    )
    informers.machines.on_change(reconciler.departures.changed)
    informers.node_claims.on_change(reconciler.departures.changed)
    whole = _controller(informers, reconciler, settings, clock)
    return whole, beside


def _controller(
    informers: Informers, reconciler: WorkspaceReconciler, settings: Settings, clock: Clock
) -> Controller:
    """Whatever changes, the workspaces that it concerns are looked at again."""
    controller = Controller(
        "workspace", reconciler.reconcile, workers=settings.workers, clock=clock
    )
    controller.watch(informers.workspaces, lambda workspace: (workspace.ref,))
    controller.watch(informers.machines, workspace_of)
    controller.watch(informers.node_claims, workspace_of)
    controller.watch(informers.nodes, informers.concerned)
    controller.watch(informers.services, informers.named)
    controller.watch(informers.deployments, workspace_of)
    controller.watch(informers.stateful_sets, workspace_of)
    controller.watch(informers.jobs, workspace_of)
    controller.watch(informers.pods, workspace_of)
    controller.watch(informers.preflights, workspace_of)
    return controller


def _addressing(informers: Informers, reconciler: AddressReconciler, clock: Clock) -> Controller:
    """A workspace without a Service is looked at as soon as it is there, and once it has one.

    The second look sends nothing: the gate learns by it that the address was heard of.
    """
    controller = Controller("address", reconciler.reconcile, workers=WORKERS, clock=clock)
    controller.watch(informers.workspaces, lambda workspace: reconciler.due((workspace.ref,)))
    controller.watch(informers.services, workspace_of)
    controller.watch(informers.preflights, lambda pod: reconciler.due(workspace_of(pod)))
    return controller
