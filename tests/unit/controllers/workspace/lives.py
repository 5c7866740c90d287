"""Lives of a workspace on two nodes: what we do, what helps, what hurts, and what is not seen yet.

A model of its surroundings: claims are carried out or refused, nodes join, fall silent and come
back, people delete things, a crash cuts a plan short anywhere, and a watch is behind the others.
It says nothing of what the plan should be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from kaito.api import labels, machine
from kaito.api.machine import Machine
from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Requirements
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Action, Apply, Delete, Pin, Step, Unpin
from kaito.kube.kinds import Deployment, Node, StatefulSet
from kaito.kube.objects import Condition, KubeObject
from kaito.nodes.claim import Claim, Wish, claim_place, claim_type, rendered_claim
from tests.unit.controllers.workspace.tuninglives import tuning_gist, tuning_helped, tuning_hurt
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    NOW,
    PRESET,
    UID,
    World,
    deleting,
    observed,
    pod_on,
    with_condition,
    workspace,
)

COUNT = 2
SCARCE, PLENTY = "Standard_X", "Standard_Y"
"""The first choice, of which the cloud may have none left, and the second, of which it has."""

LONG_AGO = NOW - timedelta(hours=1)

_SPREAD = PRESET.model_copy(
    update={
        "images": (PRESET.image.model_copy(update={"parallel": "tensor"}),),
        "distributed": True,
        "inference": Requirements(gpu_count=2, total_gpu_memory_gib=30, per_gpu_memory_gib=0),
    }
)


@dataclass(frozen=True)
class Life:
    """A moment of a life.

    Attributes:
        seen: what up-to-date caches show.
        strokes: how often luck has been bad so far.
    """

    seen: Observed
    strokes: int = 0


def begin() -> Observed:
    """A workspace that somebody has just created: a model spread over two nodes."""
    resource = {
        "count": COUNT,
        "instanceTypes": [SCARCE, PLENTY],
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }
    catalog = Catalog(MappingProxyType({"phi": _SPREAD}), CATALOG.skus)
    return observed(workspace=workspace(resource=resource), catalog=catalog)


def begin_mixed() -> Observed:
    """The same, where somebody has brought one node of two."""
    return with_nodes(begin(), _own("own"))


def begin_late() -> Observed:
    """The same, where both nodes were brought after machines had been bought for them."""
    wishes = (Wish(number, 0, SCARCE, "") for number in range(COUNT))
    bare = (Machine.model_validate(rendered_claim(begin().workspace, wish)) for wish in wishes)
    claims = tuple(with_condition(claim, machine.LAUNCHED, "True") for claim in bare)
    return with_nodes(replace(begin(), claims=claims), _own("one"), _own("two"))


def _own(name: str) -> Node:
    """A node that somebody has brought."""
    return Node.model_validate(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "labels": {"apps": "phi", labels.INSTANCE_TYPE: SCARCE},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"nvidia.com/gpu": "1"},
            },
        }
    )


def is_pinned(node: Node) -> bool:
    """Whether the pods may go to a node."""
    return node.metadata.labels.get(labels.CREATED_FOR) == UID


def actions(seen: Observed) -> tuple[Action, ...]:
    """What the plan would do."""
    return tuple(action for step in plan(seen) for action in step.actions)


def stored(seen: Observed, steps: tuple[Step, ...]) -> Observed:
    """The world once the status that follows from a plan is stored."""
    said = status(seen, steps)
    return replace(seen, workspace=seen.workspace.model_copy(update={"status": said}))


def turns(seen: Observed) -> Iterator[Observed | None]:
    """Worlds after each part of a pass of ours: a crash may cut it short anywhere."""
    steps = plan(seen)
    world = World(seen)
    moved = False
    for action in actions(seen):
        world = world.after(action)
        moved = moved or not isinstance(action, Apply)
        yield world.seen
    if not moved:
        yield stored(seen, steps)


def helped(seen: Observed) -> Iterator[Observed]:
    """What others do for us: nodes come, pods start, what is deleted goes."""
    for claim in seen.claims:
        if claim.is_deleting:
            yield without(seen, claim)
        elif not claim.status.node_name and all(
            one.status == "True" for one in claim.status.conditions
        ):
            yield carried_out(seen, claim)
    for node in seen.nodes:
        if not is_up(node):
            yield with_nodes(seen, *(up(one) if one is node else one for one in seen.nodes))
    running = seen.workload
    if running is None and seen.pods and seen.workspace.inference:
        yield replace(seen, pods=())
    yield from tuning_helped(seen)
    ready = tuple(node for node in seen.nodes if is_up(node) and is_pinned(node))
    if running and running.status.ready_replicas < COUNT <= len(ready):
        pods = tuple(pod_on(node.metadata.name) for node in ready[:COUNT])
        yield replace(with_replicas(seen, COUNT), pods=pods)


def hurt(seen: Observed) -> Iterator[Observed]:
    """What goes wrong: no quota, silent nodes, and people who delete things."""
    if seen.workspace.metadata.finalizers and not seen.workspace.is_deleting:
        yield deleting(seen)
    yield from tuning_hurt(seen)
    yield replace(seen, service=None)
    yield replace(seen, headless=None)
    if seen.workload:
        yield replace(seen, deployment=None, stateful_set=None)
    for claim in seen.claims:
        others = tuple(one for one in seen.claims if one is not claim)
        if not claim.is_deleting:
            metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
            yield replace(seen, claims=(*others, claim.model_copy(update={"metadata": metadata})))
        if not claim.status.conditions and claim_type(claim) == SCARCE:
            refused = with_condition(claim, machine.LAUNCHED, "False", reason="QuotaExceeded")
            yield replace(seen, claims=(*others, refused))
    for node in seen.nodes:
        if is_up(node):
            yield with_nodes(seen, *(silent(one) if one is node else one for one in seen.nodes))
            yield with_nodes(missed(seen, node), *(one for one in seen.nodes if one is not node))


def behind(now: Observed, before: Observed) -> Iterator[Observed]:
    """What caches show when one watch, or all of them, has not told the last change yet."""
    yield before
    yield replace(now, claims=before.claims)
    yield replace(now, nodes=before.nodes)
    yield replace(now, workspace=before.workspace)
    yield replace(
        now,
        stateful_set=before.stateful_set,
        deployment=before.deployment,
        pods=before.pods,
        job=before.job,
        preflights=before.preflights,
        service=before.service,
        headless=before.headless,
    )


def mistaken(now: Observed, view: Observed) -> Observed | None:
    """The world after a pass that was decided on an old view: no write meets another version."""
    world = World(now)
    for action in actions(view):
        if world.seen is None or not _is_current(world.seen, action):
            break
        world = world.after(action)
    return world.seen


def reachable(begin: Observed, *, strokes: int) -> dict[tuple[object, ...], Life]:
    """Every moment that a life can come to, with at most so many strokes of bad luck."""
    known = {gist(begin): Life(begin)}
    queue = deque(known.values())
    while queue:
        here = queue.popleft()
        for there in _next(here, strokes):
            if gist(there.seen) not in known:
                known[gist(there.seen)] = there
                queue.append(there)
    return known


def _next(here: Life, strokes: int) -> Iterator[Life]:
    """Moments that may follow one; what was gone for good has none."""
    seen = here.seen
    for there in turns(seen):
        if there:
            yield Life(there, here.strokes)
    changed = [(there, here.strokes) for there in helped(seen)]
    if here.strokes < strokes:
        changed += [(there, here.strokes + 1) for there in hurt(seen)]
    for there, number in changed:
        yield Life(there, number)
        for view in behind(there, seen):
            after = mistaken(there, view)
            if after:
                yield Life(after, number)


def gist(seen: Observed) -> tuple[object, ...]:
    """What tells one moment from another."""
    told = seen.workspace.status
    return (
        seen.workspace.is_deleting,
        bool(seen.workspace.metadata.finalizers),
        told.instance_type,
        told.worker_nodes,
        tuple((one.ordinal, one.attempt, one.reason) for one in told.attempts),
        tuple(sorted(map(_claim_gist, seen.claims))),
        tuple(sorted((node.metadata.name, is_up(node), is_pinned(node)) for node in seen.nodes)),
        seen.service is not None,
        seen.headless is not None,
        _workload_gist(seen.deployment),
        _workload_gist(seen.stateful_set),
        tuple(sorted(pod.spec.node_name for pod in seen.pods)),
        *tuning_gist(seen),
    )


def _claim_gist(claim: Claim) -> tuple[object, ...]:
    said = tuple((one.type, one.status) for one in claim.status.conditions)
    return (*claim_place(claim), claim_type(claim), claim.is_deleting, said)


def _workload_gist(found: Deployment | StatefulSet | None) -> tuple[object, ...]:
    return (
        ()
        if found is None
        else (found.status.ready_replicas, found.metadata.annotations.get(labels.REVISION))
    )


def _is_current(seen: Observed, action: Action) -> bool:
    """Whether a write names the version that is there; what is only created names none."""
    match action:
        case Delete(_, old) | Apply(_, _, old):
            return old in _objects(seen)
        case Pin(node) | Unpin(node):
            return node in seen.nodes
        case _:
            workspace = getattr(action, "workspace", None)
            return workspace is None or workspace == seen.workspace


def _objects(seen: Observed) -> tuple[KubeObject | None, ...]:
    """Everything that can be written to."""
    return (
        *(*seen.claims, *seen.preflights, seen.job),
        *(seen.service, seen.headless, seen.deployment, seen.stateful_set),
    )


def carried_out(seen: Observed, claim: Claim) -> Observed:
    """The claim is ready, and its node is there."""
    done = claim
    for stage in (machine.LAUNCHED, machine.REGISTERED, machine.INITIALIZED, machine.READY):
        done = with_condition(done, stage, "True")
    name = f"node-{claim.metadata.name}"
    done = done.model_copy(update={"status": done.status.model_copy(update={"node_name": name})})
    claims = tuple(done if one is claim else one for one in seen.claims)
    return with_nodes(replace(seen, claims=claims), *seen.nodes, node_for(done))


def node_for(claim: Claim) -> Node:
    """The node that a claim brings, of the type that it asks for."""
    type_ = {"node.kubernetes.io/instance-type": claim_type(claim)}
    return Node.model_validate(
        {
            "metadata": {
                "name": f"node-{claim.metadata.name}",
                "labels": {**claim.metadata.labels, **type_},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"nvidia.com/gpu": "1"},
            },
        }
    )


def without(seen: Observed, claim: Claim) -> Observed:
    """The claim is gone, and its node with it."""
    left = tuple(one for one in seen.claims if one is not claim)
    name = f"node-{claim.metadata.name}"
    kept = (node for node in seen.nodes if node.metadata.name != name)
    return with_nodes(replace(seen, claims=left), *kept)


def with_nodes(seen: Observed, *nodes: Node) -> Observed:
    """These nodes, in order of their names, and only what can run on them."""
    live = {node.metadata.name for node in nodes if is_up(node)}
    there = {node.metadata.name for node in nodes}
    pods = tuple(pod for pod in seen.pods if pod.spec.node_name in there)
    ready = sum(pod.spec.node_name in live for pod in pods)
    ordered = tuple(sorted(nodes, key=lambda node: node.metadata.name))
    workload = seen.workload
    changed = replace(seen, nodes=ordered, pods=pods)
    if workload and workload.status.ready_replicas > ready:
        return with_replicas(changed, ready)
    return changed


def with_replicas(seen: Observed, ready: int) -> Observed:
    """So many pods of the workload are ready."""
    counts = {"observed_generation": 1, "replicas": COUNT, "updated_replicas": COUNT}
    changed: dict[str, Any] = {
        name: found.model_copy(
            update={
                "status": found.status.model_copy(
                    update={**counts, "ready_replicas": ready, "available_replicas": ready}
                )
            }
        )
        for name, found in (("deployment", seen.deployment), ("stateful_set", seen.stateful_set))
        if found
    }
    return replace(seen, **changed)


def missed(seen: Observed, node: Node) -> Observed:
    """Whoever carries the claim of a node out has been missing that node for long."""
    conditions = {"type": "Ready", "status": "False", "lastTransitionTime": LONG_AGO.isoformat()}
    gone = Condition.model_validate(conditions)

    def told(claim: Claim) -> Claim:
        if claim.status.node_name != node.metadata.name:
            return claim
        others = tuple(one for one in claim.status.conditions if one.type != "Ready")
        status = claim.status.model_copy(update={"conditions": (*others, gone)})
        return claim.model_copy(update={"status": status})

    return replace(seen, claims=tuple(map(told, seen.claims)))


def is_up(node: Node) -> bool:
    """Whether a node is ready."""
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


def up(node: Node) -> Node:
    """The node once it is back."""
    return _with_ready(node, {"status": "True"})


def silent(node: Node) -> Node:
    """The node once it has been silent for long."""
    return _with_ready(node, {"status": "Unknown", "lastTransitionTime": LONG_AGO.isoformat()})


def _with_ready(node: Node, verdict: dict[str, str]) -> Node:
    wire = node.model_dump(by_alias=True, mode="json")
    wire["status"]["conditions"] = [{"type": "Ready", **verdict}]
    return Node.model_validate(wire)
