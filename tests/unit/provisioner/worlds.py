"""Every reachable world of one claim, one pool name and one node, with the goal stated here.

A world is what is really there plus what the process believes: the last list it has, whether
that list is new enough, and what it remembers of failures. Moves are made by the plan (cut short
after any action, as by a crash), by the cloud, by the kubelet, by a user, and by bad luck.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

from kaito.kube.kinds import Node
from provisioner.cloud import Instance, InstanceState
from provisioner.controllers.machine.kinds import ClaimKind
from provisioner.controllers.machine.ledger import Entry
from provisioner.controllers.machine.observe import Moment, Observed, ordered
from provisioner.controllers.machine.plan import plan
from provisioner.controllers.machine.step import (
    Action,
    AddFinalizer,
    CordonNode,
    DeleteClaim,
    DeleteNode,
    EvictPods,
    LabelNode,
    Launch,
    ReleaseFinalizer,
    Step,
    Terminate,
)
from provisioner.failures import CapacityUnavailable, SkuUnavailable
from provisioner.instances import Listing
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import BORN, NAME, PROVIDER_ID

FINALIZER = "karpenter.sh/termination"
NOW = 1000.0


@dataclass(frozen=True)
class Pool:
    """A pool of the name: how far it is, and whether this claim's."""

    state: InstanceState
    ours: bool = True


@dataclass(frozen=True)
class World:
    """What is there, and what the process believes."""

    kind: ClaimKind
    deleting: bool = False
    finalizer: bool = False
    pool: Pool | None = None
    node: str = ""  # "", "joined", "registered", "initialized"
    launched: bool = False  # on record
    known: bool = False  # providerID on record
    told: bool = False  # why the pool failed is on record
    listed: bool = False  # the process has a list at all
    view: Pool | None = None  # the pool in that list
    before: bool = False  # the pool was in the list before
    fresh: bool = False  # the list is newer than the last act
    failure: str = ""  # "", "waiting", "due", "permanent"
    cordoned: bool = False
    guests: bool = False  # pods on the node
    bought: int = 0  # accepted launches while this claim's pool had already run

    @property
    def ready(self) -> bool:
        """The goal: a pool of ours that runs, and its usable node."""
        return self.pool == Pool(InstanceState.RUNNING) and self.node == "initialized"


def instance(kind: ClaimKind, pool: Pool | None) -> dict[str, Instance]:
    if pool is None:
        return {}
    mark = builders.owner(kind.name) if pool.ours else None
    made = builders.instance(pool.state, of=mark)
    if pool.state is InstanceState.FAILED:
        made = replace(made, failure=CapacityUnavailable("AllocationFailed", "None left"))
    return {NAME: made}


@cache
def seen(world: World) -> Observed:
    """The snapshot that the controller would take of this world."""
    launched = f"{world.kind.prefix}Launched"
    metadata: dict[str, object] = {"finalizers": [FINALIZER] if world.finalizer else []}
    if world.deleting:
        metadata["deletionTimestamp"] = BORN.isoformat()
    conditions = [
        {
            "type": launched,
            "status": "True" if world.launched else "False",
            "reason": "Launched" if world.launched else "CapacityUnavailable",
            "message": "",
            "lastTransitionTime": BORN.isoformat(),
        }
    ]
    claim = builders.claim(
        world.kind,
        metadata=metadata,
        status={
            "conditions": conditions if world.launched or world.told else [],
            "providerID": PROVIDER_ID if world.known else "",
        },
    )
    now = BORN + timedelta(seconds=30)
    before = {NAME: builders.instance(InstanceState.RUNNING)} if world.before else {}
    failure = SkuUnavailable if world.failure == "permanent" else CapacityUnavailable
    listing = Listing(NOW - 1, {**instance(world.kind, world.view)}, before)
    return Observed(
        kind=world.kind,
        claim=claim,
        order=ordered(world.kind, claim, now=now),
        entry=Entry(
            look_after=NOW - 2 if world.fresh else NOW,
            failure=failure("Code", "said") if world.failure else None,
            failures=1,
            retry_at=NOW + 60 if world.failure == "waiting" else NOW,
            generation=1,
        ),
        listing=listing if world.listed else None,
        list_failure=None,
        nodes=(node(world),) if world.node else (),
        moment=Moment(now, NOW),
        pods=(builders.pod(),) if world.guests else (),
    )


def node(world: World) -> Node:
    marks = dict(builders.node().metadata.labels)
    if world.node in {"registered", "initialized"}:
        marks |= {
            "karpenter.sh/registered": "true",
            "kaito.sh/workspace": "phi",
            "apps": "phi-3",
        }
    if world.node == "initialized":
        marks["karpenter.sh/initialized"] = "true"
    return builders.node(
        metadata={**builders.node().metadata.model_dump(by_alias=True), "labels": marks},
        spec={"unschedulable": world.cordoned},
    )


@cache
def steps_of(world: World) -> tuple[Step, ...]:
    return plan(seen(world))


def applied(world: World, action: Action) -> World:
    """What the API server and the cloud make of one action."""
    match action:
        case Launch():
            return bought(world)
        case Terminate(_, because):
            pool = world.pool and replace(world.pool, state=InstanceState.DELETING)
            return replace(world, pool=pool, fresh=False, failure="waiting" if because else "")
        case LabelNode(_, marks):
            done = "initialized" if ("karpenter.sh/initialized", "true") in marks else "registered"
            return replace(world, node=done if world.node else "")
        case DeleteNode():
            return without_node(world)
        case AddFinalizer() | ReleaseFinalizer() | DeleteClaim():
            deleting = world.deleting or isinstance(action, DeleteClaim)
            finalizer = not isinstance(action, ReleaseFinalizer)
            return replace(world, finalizer=finalizer, deleting=deleting)
        case CordonNode() | EvictPods():
            cordoned = world.cordoned or (bool(world.node) and isinstance(action, CordonNode))
            guests = world.guests and isinstance(action, CordonNode)
            return replace(world, cordoned=cordoned, guests=guests)


def without_node(world: World) -> World:
    return replace(world, node="", cordoned=False, guests=False)


def bought(world: World) -> World:
    """The cloud is asked for a pool: create-only."""
    if world.pool is not None:
        return replace(world, fresh=False, failure="waiting")
    # Once is too often already; a bound keeps the worlds finite when the plan is wrong.
    twice = min(1, world.bought + (world.launched or world.known))
    pool = Pool(InstanceState.PENDING)
    return replace(world, pool=pool, fresh=False, failure="", bought=twice)


def actions(world: World) -> tuple[Action, ...]:
    return tuple(action for step in steps_of(world) for action in step.actions)


def recorded(world: World, steps: tuple[Step, ...]) -> World:
    """The status is written."""
    said = [step.reason for step in steps if step.aspect == "Launched"]
    return replace(
        world,
        told="CapacityUnavailable" in said if said else world.told,
        launched=world.launched or any(s.satisfied and s.reason == "Launched" for s in steps),
        known=world.known or any(s.satisfied and s.reason == "Registered" for s in steps),
    )


def passes(world: World) -> Iterator[World]:
    """Every end of one reconcile: crashed after any action, or through, with the status."""
    current = world
    for action in actions(world):
        current = applied(current, action)
        yield current
    yield recorded(current, steps_of(world))


def listed(world: World) -> World:
    return replace(
        world, listed=True, fresh=True, view=world.pool, before=world.listed and bool(world.view)
    )


def good_luck(world: World) -> Iterator[World]:
    """Moves of the environment that help."""
    if listed(world) != world:
        yield listed(world)
    if world.failure == "waiting":
        yield replace(world, failure="due")
    match world.pool:
        case Pool(InstanceState.PENDING):
            yield replace(world, pool=replace(world.pool, state=InstanceState.RUNNING))
        case Pool(InstanceState.DELETING):
            yield replace(world, pool=None)
        case Pool(InstanceState.RUNNING, ours=True) if not world.node:
            yield replace(world, node="joined")
        case Pool(_, ours=False) if not world.deleting:
            yield replace(world, pool=None)


def bad_luck(world: World) -> Iterator[World]:
    """Moves of the environment, of a user or of a crash that hurt."""
    if not world.deleting:
        yield replace(world, deleting=True)
    # A restart: nothing is believed any more; what failed for good stands in the conditions.
    failure = world.failure if world.failure == "permanent" else ""
    yield replace(world, listed=False, view=None, before=False, fresh=False, failure=failure)
    match world.pool:
        case Pool(InstanceState.PENDING, ours=True):
            yield replace(world, pool=replace(world.pool, state=InstanceState.FAILED))
        case Pool(InstanceState.RUNNING, ours=True):
            yield replace(without_node(world), pool=None)
            yield replace(world, pool=replace(world.pool, state=InstanceState.FAILED))
            yield replace(world, pool=replace(world.pool, state=InstanceState.DELETING))
    if world.node:
        yield without_node(world)
    if world.node and not world.cordoned:
        yield replace(world, guests=True)


def is_over(world: World) -> bool:
    return world.deleting and not world.finalizer


def reachable(kind: ClaimKind) -> set[World]:
    roots = [
        World(kind),
        World(kind, pool=Pool(InstanceState.RUNNING, ours=False)),
        World(kind, finalizer=True, failure="permanent"),
    ]
    found, queue = set(roots), deque(roots)
    while queue:
        world = queue.popleft()
        if is_over(world):
            continue
        for following in (*passes(world), *good_luck(world), *bad_luck(world)):
            if following not in found:
                found.add(following)
                queue.append(following)
    return found
