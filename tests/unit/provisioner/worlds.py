"""One claim, one pool name and its nodes in every state that matters, as the plan is shown them.

A world is what is really there plus what the process believes: the last list it has, whether
that list is new enough, what it remembers of failures, and what stands in the claim's status.
How one world becomes another is in `moves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from kaito.kube.errors import InvalidSpec
from kaito.kube.kinds import Node, Pod
from provisioner.cloud import INSTANCE_LIMIT, Instance, InstanceSpec, InstanceState
from provisioner.controllers.machine.kinds import KINDS, Claim
from provisioner.controllers.machine.ledger import Entry
from provisioner.controllers.machine.observe import Deadlines, Moment, Observed, ordered
from provisioner.controllers.machine.plan import plan
from provisioner.controllers.machine.step import Action, Step
from provisioner.failures import CapacityUnavailable, CloudUnavailable, SkuUnavailable
from provisioner.instances import Listing
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import BORN, NAME, PROVIDER_ID

FINALIZER = "karpenter.sh/termination"
NOW = 1000.0
SOON, LATE = timedelta(seconds=30), timedelta(hours=1)
OUT_OF_STOCK, DENIED = "CapacityUnavailable", "SkuUnavailable"
LAUNCHED, GONE = "Launched", "InstanceGone"
PENDING, RUNNING, FAILED, DELETING = (str(state) for state in InstanceState)
FOREIGN = "Foreign"
KIND = {kind.name: kind for kind in KINDS}

STARTUP = {"key": "example.com/starting", "effect": "NoSchedule"}
TAINTS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "tainted": ({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},),
    "starting": (STARTUP,),
    "reserved": ({"key": "sku", "value": "gpu", "effect": "NoSchedule"},),
}
"""Two that are waited for, and the claim's own, which is there to stay."""

ASKED, JOINED = BORN + timedelta(seconds=1), BORN + timedelta(seconds=2)
"""When the pool was asked for, and when its node joined; a stale one joined before."""

LABELS: Mapping[str, dict[str, str]] = {"zoned": {"topology.kubernetes.io/zone": "eastus-1"}}

TROUBLES = ("unready", "tainted", "reserved", "zoned", "blind", "nameless", "replaced", "twin")
"""What may be wrong with a node from outside; `starting` is what the plan itself brings about.

A `zoned` node is in a zone that its claim does not show yet.
"""


class World(NamedTuple):
    """What is there, and what the process believes; pools and times are words, for speed.

    Attributes:
        kind: name of the claim's Kind.
        asks: "machine", "starting" with a startup taint, or that and "nothing" to order.
        late: the deadline of the phase, or of the drain, is over: "", "told" or "deleted", which
            is what becomes of a claim then.
        pool: of the name: "", a state of this claim's own, or "Foreign".
        node: "", "joined", "registered" or "initialized".
        trouble: what is wrong with the node; "" or one of `TROUBLES`, or "starting".
        stale: the node is older than the pool: it was there when that was asked for.
        cordoned: how many of the nodes are.
        guests: pods on the node: "", "there", "barred" by a budget, or "leaving".
        told: the reason on record in the condition about the launch, where it matters.
        known: the node is on record.
        listed: the process has a list at all.
        view: the pool in that list.
        before: the pool was in the list before.
        fresh: the list is newer than the last act.
        full: the cluster has no room for another pool.
        mute: the newest attempt to list failed.
        failure: "", "waiting", "due", "permanent", or "paused": not for a failure of this claim.
        ran: the pool was once on record as having run.
        bought: accepted launches since then.
    """

    kind: str
    asks: str = "machine"
    deleting: bool = False
    finalizer: bool = False
    late: str = ""
    pool: str = ""
    node: str = ""
    trouble: str = ""
    stale: bool = False
    cordoned: int = 0
    guests: str = ""
    told: str = ""
    known: bool = False
    listed: bool = False
    view: str = ""
    before: bool = False
    fresh: bool = False
    full: bool = False
    mute: bool = False
    failure: str = ""
    ran: bool = False
    bought: int = 0

    @property
    def owns(self) -> bool:
        """Whether there is a pool of this claim's own."""
        return self.pool not in {"", FOREIGN}

    @property
    def nodes(self) -> int:
        """How many there are."""
        return bool(self.node) + (self.trouble == "twin")

    @property
    def ready(self) -> bool:
        """The goal: a pool of ours and its usable node, whether or not the cloud has ended."""
        usable = self.node == "initialized" and self.trouble in {"", "reserved"}
        return usable and (self.pool == RUNNING or (self.pool == PENDING and not self.stale))

    @property
    def is_over(self) -> bool:
        """Whether the API server has forgotten the claim."""
        return self.deleting and not self.finalizer


@cache
def steps_of(world: World) -> tuple[Step, ...]:
    """What the plan makes of a world, of which it is shown only what the process can know."""
    return _steps(shown(world))


def shown(world: World) -> World:
    """A world without what the process cannot know."""
    return world._replace(pool="", ran=False, bought=0)


@cache
def _steps(world: World) -> tuple[Step, ...]:
    return plan(seen(world))


def actions(world: World) -> tuple[Action, ...]:
    """What the plan wants done, in order."""
    return tuple(action for step in steps_of(world) for action in step.actions)


def seen(world: World) -> Observed:
    """The snapshot that the controller would take of this world."""
    claim = _claim(
        world.kind,
        world.asks,
        finalizer=world.finalizer,
        deleting=world.deleting,
        told=world.told,
        known=world.known,
    )
    return Observed(
        kind=KIND[world.kind],
        claim=claim,
        order=_order(world.kind, world.asks, late=bool(world.late)),
        entry=_entry(world.failure, fresh=world.fresh),
        listing=_listing(world) if world.listed else None,
        list_failure=CloudUnavailable("ServerBusy", "not now") if world.mute else None,
        nodes=_nodes(world.node, world.trouble, world.cordoned, stale=world.stale),
        moment=Moment(_now(late=bool(world.late)), NOW),
        closed_until=NOW + 60 if world.failure == "paused" else float("-inf"),
        deadlines=Deadlines(deletes=world.late == "deleted"),
        pods=_pods(world.guests),
        reserved=INSTANCE_LIMIT if world.full else 0,
    )


def _now(*, late: bool) -> datetime:
    return BORN + (LATE if late else SOON)


@cache
def _order(kind: str, asks: str, *, late: bool) -> InstanceSpec | InvalidSpec:
    claim = _claim(kind, asks, finalizer=True, deleting=False, told="", known=False)
    return ordered(KIND[kind], claim, now=_now(late=late))


@cache
def _claim(
    kind: str, asks: str, *, finalizer: bool, deleting: bool, told: str, known: bool
) -> Claim:
    metadata: dict[str, object] = {"finalizers": [FINALIZER] if finalizer else []}
    if deleting:
        metadata["deletionTimestamp"] = BORN.isoformat()
    spec: dict[str, object] = {"requirements": []} if asks == "nothing" else {}
    if asks != "machine":
        spec["startupTaints"] = [STARTUP]
    conditions = [_condition(kind, "Launched", told)] if told else []
    conditions += [_condition(kind, "Registered", "Registered")] if known else []
    facts = {"providerID": PROVIDER_ID, "nodeName": builders.node().metadata.name}
    status: dict[str, object] = {"conditions": conditions, **(facts if known else {})}
    return builders.claim(KIND[kind], metadata=metadata, spec=spec, status=status)


def _condition(kind: str, aspect: str, reason: str) -> dict[str, str]:
    return {
        "type": f"{KIND[kind].prefix}{aspect}",
        "status": "True" if reason == aspect else "False",
        "reason": reason,
        "message": "",
        "lastTransitionTime": BORN.isoformat(),
    }


@cache
def _entry(failure: str, *, fresh: bool) -> Entry:
    made = SkuUnavailable if failure == "permanent" else CapacityUnavailable
    return Entry(
        look_after=NOW - 2 if fresh else NOW,
        failure=made("Code", "said") if failure not in {"", "paused"} else None,
        failures=1,
        retry_at=NOW + 60 if failure == "waiting" else NOW,
        generation=1,
    )


def _listing(world: World) -> Listing:
    before = {NAME: builders.instance(InstanceState.RUNNING)} if world.before else {}
    return Listing(NOW - 1, _instances(world.kind, world.view), before)


@cache
def _instances(kind: str, pool: str) -> Mapping[str, Instance]:
    if not pool:
        return {}
    if pool == FOREIGN:
        return {NAME: builders.instance(InstanceState.RUNNING)}
    made = builders.instance(InstanceState(pool), of=builders.owner(kind), born=ASKED)
    failure = CapacityUnavailable("AllocationFailed", "None left") if pool == FAILED else None
    return {NAME: replace(made, failure=failure)}


@cache
def _nodes(progress: str, trouble: str, cordoned: int, *, stale: bool) -> tuple[Node, ...]:
    """The nodes of the pool, the first of them as far as `progress`, the first few cordoned."""
    if not progress:
        return ()
    wire = builders.node().model_dump(by_alias=True)
    wire["metadata"]["creationTimestamp"] = BORN if stale else JOINED
    wire["metadata"]["labels"] |= _marks(progress) | LABELS.get(trouble, {})
    wire["spec"] |= {"unschedulable": cordoned > 0, "taints": TAINTS.get(trouble, ())}
    match trouble:
        case "unready":
            wire["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        case "blind":
            wire["status"]["allocatable"] = {"cpu": "24"}
        case "nameless":
            wire["spec"]["providerID"] = ""
        case "replaced":
            wire["metadata"]["uid"] = "another"
            wire["spec"]["providerID"] = f"{PROVIDER_ID}1"
    first = Node.model_validate(wire)
    return (first, _twin(cordoned)) if trouble == "twin" else (first,)


def _marks(progress: str) -> dict[str, str]:
    """The labels that a node has from its claim by then."""
    if progress == "joined":
        return {}
    initialized = {"karpenter.sh/initialized": "true"} if progress == "initialized" else {}
    ours = {"karpenter.sh/registered": "true", "kaito.sh/workspace": "phi", "apps": "phi-3"}
    return ours | initialized


def _twin(cordoned: int) -> Node:
    wire = builders.node().model_dump(by_alias=True)
    wire["metadata"] |= {"name": f"{wire['metadata']['name']}-twin", "uid": "twin"}
    wire["spec"] |= {"providerID": f"{PROVIDER_ID}2", "unschedulable": cordoned > 1}
    return Node.model_validate(wire)


@cache
def _pods(guests: str) -> tuple[Pod, ...]:
    if not guests:
        return ()
    wire = builders.pod().model_dump(by_alias=True)
    wire["metadata"]["deletionTimestamp"] = BORN if guests == "leaving" else None
    return (Pod.model_validate(wire),)
