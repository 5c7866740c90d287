"""Everything wired by hand, once."""

from __future__ import annotations

import structlog

from kaito.kube import VERSION
from kaito.kube.client import Client
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.controller import Controller
from kaito.kube.events import Recorder
from kaito.kube.exposition import Census
from kaito.kube.health import Door
from kaito.kube.lease import Elector
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from provisioner.azure.agentpool import Custom
from provisioner.azure.client import AksCloud, Cluster
from provisioner.azure.clouds import CLOUDS
from provisioner.azure.credentials import Identity, credential
from provisioner.caches import Caches
from provisioner.cloud import Cloud
from provisioner.controllers.garbage.controller import GarbageController
from provisioner.controllers.machine.act import Actor
from provisioner.controllers.machine.controller import ClaimController
from provisioner.controllers.machine.kinds import KINDS, ClaimKind
from provisioner.controllers.machine.ledger import Ledger
from provisioner.controllers.machine.metrics import census
from provisioner.controllers.machine.observe import Deadlines
from provisioner.failures import CloudDenied, CloudUnavailable, ClusterMissing, sentence
from provisioner.instances import Instances, Pace
from provisioner.settings import Settings

log = structlog.get_logger()

NAME = "provisioner"
REPORTER = "kaito.sh/provisioner"
LEASE = "provisioner"
LASTING_SECONDS = 30.0
"""No answer of the cloud for so long is more than a hitch."""


def aks(settings: Settings) -> AksCloud:
    """The cloud that the settings name."""
    azure = CLOUDS[settings.azure_cloud]
    identity = Identity(
        tenant_id=settings.tenant_id,
        client_id=settings.client_id,
        token_file=settings.federated_token_file,
        authority_host=settings.authority_host or azure.authority,
        ca_file=settings.arm_ca_file,
        way=settings.credential,
    )
    cluster = Cluster(
        subscription_id=settings.subscription_id,
        resource_group=settings.resource_group,
        name=settings.cluster_name,
        endpoint=settings.arm_endpoint or azure.endpoint,
        scope=settings.arm_scope or azure.scope,
        ca_file=settings.arm_ca_file,
        location=settings.location,
    )
    custom = Custom(
        subnet_id=settings.subnet_id,
        installs_driver=settings.gpu_driver == "install",
        tags=dict(pair.split("=", 1) for pair in settings.tags.split(",") if pair),
    )
    return AksCloud(cluster, credential(identity), custom=custom, call_seconds=settings.arm_seconds)


async def run(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Run the provisioner until it is told to stop; the exit status."""
    log.info("settings.loaded", settings=settings.model_dump(mode="json"))
    client = await Client.connect(
        user_agent=f"{NAME}/{VERSION}",
        field_manager=NAME,
        kubeconfig=settings.kubeconfig,
        clock=clock,
    )
    cloud = aks(settings)
    try:
        return await manager(settings, client, cloud).run()
    finally:
        await cloud.close()
        await client.close()


def manager(settings: Settings, client: Client, cloud: Cloud) -> Manager:
    """The process, ready to run."""
    clock = client.clock
    made = Manager(
        client,
        elector=Elector.of(client, settings, name=LEASE),
        host=settings.host,
        health_port=settings.health_port,
        metrics_port=settings.metrics_port,
        door=Door.of(client, settings, name=NAME),
    )
    caches = Caches.of(made)
    instances = Instances(cloud, clock=clock, pace=_pace(settings))
    made.ready_when("cloud", lambda: _doubt(instances))
    recorder = Recorder(client, controller=REPORTER, instance=settings.identity)
    actor = Actor(client, cloud, client.guard, Ledger(), clock)
    for kind in KINDS:
        made.add(_controller(settings, kind, caches, instances, actor, recorder))
    garbage = GarbageController(
        client,
        cloud,
        instances,
        caches,
        client.guard,
        clock,
        resources={kind.name: kind.resource for kind in KINDS},
        recorder=recorder,
        age_seconds=settings.garbage_age_seconds,
        deletes=settings.garbage_action == "delete",
    )
    instances.on_refresh(garbage.refreshed.set)
    instances.on_refresh(lambda: actor.keep(caches.uids()))
    counted = Census(census(caches.ours, _deadlines(settings), clock.now))
    made.background("census", counted.run)
    made.background("instances", instances.run)
    made.background("garbage", garbage.run)
    made.background("events", recorder.run)
    return made


def _controller(
    settings: Settings,
    kind: ClaimKind,
    caches: Caches,
    instances: Instances,
    actor: Actor,
    recorder: Recorder,
) -> Controller:
    """The controller of one Kind, and what wakes it."""
    claims = ClaimController(
        kind=kind,
        stores=caches,
        instances=instances,
        actor=actor,
        recorder=recorder,
        clock=actor.clock,
        deadlines=_deadlines(settings),
    )
    controller = Controller(
        kind.resource.plural,
        claims.reconcile,
        workers=settings.workers,
        clock=actor.clock,
    )
    caches.watch(kind, controller)

    def enqueue() -> None:
        changed = instances.listing.changed() if instances.listing else ()
        for ref in sorted({Ref("", each.name) for each in changed if each.kind == kind.name}):
            controller.queue.add(ref)
        for ref in instances.watched(kind.name):
            controller.nudge(ref)

    instances.on_refresh(enqueue)
    return controller


def _deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        launch_seconds=settings.launch_deadline_seconds,
        registration_seconds=settings.registration_deadline_seconds,
        initialization_seconds=settings.initialization_deadline_seconds,
        deletes=settings.deadline_action == "delete",
        drain_seconds=settings.drain_deadline_seconds,
    )


def _pace(settings: Settings) -> Pace:
    return Pace(
        idle_seconds=settings.poll_seconds,
        busy_seconds=settings.poll_busy_seconds,
        look_seconds=min(0.5, settings.poll_busy_seconds),
    )


def _doubt(instances: Instances) -> str:
    """Why the cloud is of no use to us; "" when it is, or has not been asked.

    It is told in claims and in the log, too; the process goes on, and recovers by itself when
    the identity, the cluster or the way to them does.
    """
    failure = instances.failure
    lasting = instances.failing_seconds() >= LASTING_SECONDS
    doubted = (CloudDenied, ClusterMissing, *((CloudUnavailable,) if lasting else ()))
    return sentence(failure) if isinstance(failure, doubted) else ""
