"""How one world becomes another: by the plan, the cloud, the kubelet, a user, or bad luck.

A pass of the plan may be cut short after any action, as by a crash, and the cloud may refuse a
request, or carry it out and lose the answer. A whole pass ends with the status being written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import cache

from provisioner.controllers.machine.step import (
    Action,
    AddFinalizer,
    CordonNode,
    DeleteClaim,
    DeleteNode,
    EvictPods,
    LabelClaim,
    LabelNode,
    Launch,
    ReleaseFinalizer,
    Step,
    Terminate,
)
from tests.unit.provisioner.worlds import (
    DELETING,
    DENIED,
    FAILED,
    FOREIGN,
    GONE,
    LAUNCHED,
    OUT_OF_STOCK,
    PENDING,
    RUNNING,
    TROUBLES,
    World,
    actions,
    steps_of,
)

WAYS: Mapping[str, frozenset[str]] = {
    "as planned": frozenset(),
    "names": frozenset({"foreign", "updated", "full"}),
    "pods": frozenset({"guests"}),
    "cloud": frozenset({"refused", "paused", "mute", "undeletable", "deleted"}),
    "claims": frozenset({"edited", "starting", "told", "deleted"}),
    "nodes": frozenset({"trouble", "deleted"}),
    "drain": frozenset({"guests", "trouble"}),
    "going": frozenset({"guests", "refused", "undeletable", "mute"}),
    "overdue": frozenset({"told", "refused", "paused", "mute"}),
    "strangers": frozenset({"foreign", "trouble"}),
}
"""What goes wrong together, beside crashes, deletions and whatever vanishes: those always may."""

ON_RECORD = frozenset({LAUNCHED, GONE, OUT_OF_STOCK, DENIED})
PASSING = frozenset({"unready", "tainted", "starting", "blind", "nameless", "twin"})
"""Troubles that end by themselves."""


@cache
def reachable(kind: str, way: str) -> frozenset[World]:
    """Every world that a claim of that Kind can come to in one of the `WAYS`."""
    wrong = WAYS[way]
    roots = [World(kind, asks="starting" if "starting" in wrong else "machine")]
    found, queue = set(roots), deque(roots)
    while queue:
        world = queue.popleft()
        if world.is_over:
            continue
        for following in (*passes(world, wrong), *good_luck(world), *bad_luck(world, wrong)):
            if following not in found:
                found.add(following)
                queue.append(following)
    return frozenset(found)


def passes(world: World, wrong: frozenset[str] = frozenset()) -> Iterator[World]:
    """Every end of one reconcile; the last is the whole of it, with everybody willing."""
    current = world
    for action in actions(world):
        if "refused" in wrong:
            yield from mishaps(current, action)
        current = applied(current, action)
        yield current
    yield recorded(current, steps_of(world))


def mishaps(world: World, action: Action) -> Iterator[World]:
    """What else may come of a request to the cloud: a refusal, or an answer that is lost."""
    if not isinstance(action, Launch | Terminate):
        return
    yield world._replace(fresh=False, failure="waiting")
    yield applied(world, action)._replace(failure="waiting")
    if isinstance(action, Launch):
        yield world._replace(fresh=False, failure="permanent")


def applied(world: World, action: Action) -> World:
    """What the API server and the cloud make of one action."""
    match action:
        case Launch():
            return bought(world)
        case Terminate(because=because):
            pool = DELETING if world.owns else world.pool
            failure = "waiting" if because else "paused"
            return world._replace(pool=pool, fresh=False, failure=failure)
        case DeleteNode():
            return without_trouble(world) if world.trouble == "twin" else without_node(world)
        case DeleteClaim():
            return deleted(world)
        case AddFinalizer() | ReleaseFinalizer():
            return world._replace(finalizer=isinstance(action, AddFinalizer))
        case LabelNode() | LabelClaim() | CordonNode() | EvictPods():
            return written(world, action)


def written(world: World, action: LabelNode | LabelClaim | CordonNode | EvictPods) -> World:
    """What the API server makes of a change to a node, its claim or its pods."""
    match action:
        case LabelNode(labels=labels, taints=taints):
            done = ("karpenter.sh/initialized", "true") in labels
            node = "initialized" if done else "registered"
            return world._replace(node=node, trouble="starting" if taints else world.trouble)
        case LabelClaim():
            return without_trouble(world)
        case CordonNode():
            return world._replace(cordoned=world.cordoned + 1)
        case EvictPods():
            return world._replace(guests="leaving" if world.guests == "there" else world.guests)


def bought(world: World) -> World:
    """The cloud is asked for a pool: create-only."""
    if world.pool:
        return world._replace(fresh=False, failure="waiting")
    # Once is too often already; a bound keeps the worlds finite when the plan is wrong.
    twice = min(1, world.bought + world.ran)
    stale = bool(world.node)
    return world._replace(pool=PENDING, fresh=False, failure="", bought=twice, stale=stale)


def deleted(world: World) -> World:
    """The claim is to go: what was remembered of its launch is not, and a new list is due."""
    failure = "paused" if world.failure == "paused" else ""
    return world._replace(deleting=True, late="", fresh=False, failure=failure)


def without_node(world: World) -> World:
    """The node is no more, and what was on it."""
    return world._replace(node="", trouble="", stale=False, cordoned=0, guests="")


def without_trouble(world: World) -> World:
    """There is one node again, and nothing is wrong with it."""
    return world._replace(trouble="", cordoned=min(1, world.cordoned))


def recorded(world: World, steps: tuple[Step, ...]) -> World:
    """The status is written; a phase that is over takes its deadline with it."""
    said = [str(step.reason) for step in steps if step.aspect == "Launched"]
    told = said[-1] if said else world.told
    told = told if told in ON_RECORD else ""
    known = world.known or any(s.satisfied and s.reason == "Registered" for s in steps)
    moved = (told, known) != (world.told, world.known) and not world.deleting
    ran = world.ran or known or told in {LAUNCHED, GONE}
    return world._replace(told=told, known=known, ran=ran, late="" if moved else world.late)


def listed(world: World) -> World:
    """The process gets a new list."""
    before = world.listed and bool(world.view)
    return world._replace(listed=True, fresh=True, view=world.pool, before=before, mute=False)


def good_luck(world: World) -> Iterator[World]:
    """Moves of the environment that help, and those that nobody can hold up."""
    if listed(world) != world:
        yield listed(world)
    if world.failure in {"waiting", "paused"}:
        yield world._replace(failure="due" if world.failure == "waiting" else "")
    if world.full:
        yield world._replace(full=False)
    yield from mended_pool(world)
    if world.stale:
        yield without_node(world)
    if world.trouble in PASSING:
        yield without_trouble(world)
    if world.guests == "leaving":
        yield world._replace(guests="")
    if world.guests and world.deleting and not world.late:
        yield world._replace(late="told")


def mended_pool(world: World) -> Iterator[World]:
    """What the cloud goes on with."""
    match world.pool:
        case "Pending":
            yield world._replace(pool=RUNNING)
            if not world.node:
                yield world._replace(node="joined")
        case "Deleting":
            yield world._replace(pool="")
        case "Running" if not world.node:
            yield world._replace(node="joined")
        case "Foreign" if not world.deleting:
            yield world._replace(pool="")


def bad_luck(world: World, wrong: frozenset[str]) -> Iterator[World]:
    """Moves of the environment, of a user or of a crash that hurt."""
    yield restarted(world)
    if not world.deleting:
        yield deleted(world)
    if not world.deleting and "edited" in wrong:
        yield world._replace(asks="nothing")
    if not world.late and not world.deleting:
        yield from (world._replace(late=late) for late in sorted(wrong & {"told", "deleted"}))
    if not world.failure and "paused" in wrong:
        yield world._replace(failure="paused")
    if not world.pool and "full" in wrong:
        yield world._replace(full=True)
    if not world.fresh and "mute" in wrong:
        yield world._replace(mute=True)
    yield from broken_pool(world, wrong)
    if world.node:
        yield from broken_node(world, wrong)


def restarted(world: World) -> World:
    """Nothing is believed any more; what failed stands in the condition, if it was written."""
    remembered = {} if world.deleting else {OUT_OF_STOCK: "waiting", DENIED: "permanent"}
    return world._replace(
        listed=False,
        view="",
        before=False,
        fresh=False,
        mute=False,
        failure=remembered.get(world.told, ""),
    )


def broken_pool(world: World, wrong: frozenset[str]) -> Iterator[World]:
    """What somebody or the cloud does to a pool."""
    match world.pool:
        case "" if "foreign" in wrong:
            yield world._replace(pool=FOREIGN)
        case "Pending":
            yield world._replace(pool=FAILED)
        case "Running":
            yield without_node(world)._replace(pool="")
            yield world._replace(pool=FAILED)
            yield world._replace(pool=DELETING)
            if "updated" in wrong:
                yield world._replace(pool=PENDING)
        case "Deleting" if "undeletable" in wrong:
            yield world._replace(pool=FAILED)


def broken_node(world: World, wrong: frozenset[str]) -> Iterator[World]:
    """What somebody or a kubelet does to a node."""
    yield without_node(world)
    if not world.trouble and "trouble" in wrong:
        yield from (world._replace(trouble=trouble) for trouble in TROUBLES)
    if not world.guests and not world.cordoned and "guests" in wrong:
        yield world._replace(guests="there")
    if world.guests == "there" and "guests" in wrong:
        yield world._replace(guests="barred")
