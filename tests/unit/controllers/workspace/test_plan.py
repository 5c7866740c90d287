"""Every reachable world of one workspace, with crashes between any two actions."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from kaito.api import labels, machine
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.step import Action, AddFinalizer, Create, ReleaseFinalizer
from tests.unit.controllers.workspace.worlds import (
    World,
    deleting,
    node_of,
    observed,
    with_condition,
    workspace,
)


def actions(seen: Observed) -> tuple[Action, ...]:
    return tuple(action for step in plan(seen) for action in step.actions)


def is_serving(seen: Observed) -> bool:
    """The goal, stated without asking the planner."""
    status = seen.deployment.status if seen.deployment else None
    ready_claims = [
        claim
        for claim in seen.claims
        if any(c.type == "Ready" and c.status == "True" for c in claim.status.conditions)
    ]
    ready_nodes = [
        node
        for node in seen.nodes
        if node.metadata.labels.get("apps") == "phi"
        and any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        and node.status.allocatable.get("nvidia.com/gpu") == "1"
    ]
    return (
        len(ready_claims) == len(seen.claims) == 1
        and len(ready_nodes) == 1
        and seen.service is not None
        and status is not None
        and status.ready_replicas == 1
    )


def good_luck(seen: Observed) -> list[Observed]:
    """Moves of the environment that help: nodes come, pods start, deletions end."""
    moves: list[Observed] = []
    for claim in seen.claims:
        others = tuple(c for c in seen.claims if c is not claim)
        if claim.is_deleting:
            moves.append(replace(seen, claims=others, nodes=()))
        elif not claim.status.conditions:
            ready = with_condition(claim, machine.READY, "True")
            moves.append(replace(seen, claims=(*others, ready), nodes=(node_of(claim),)))
        elif seen.nodes != (node_of(claim),):
            moves.append(replace(seen, nodes=(node_of(claim),)))
    if seen.deployment and seen.deployment.status.ready_replicas == 0 and seen.nodes:
        status = seen.deployment.status.model_copy(
            update={
                "observed_generation": 1,
                "replicas": 1,
                "updated_replicas": 1,
                "ready_replicas": 1,
                "available_replicas": 1,
            }
        )
        moves.append(
            replace(seen, deployment=seen.deployment.model_copy(update={"status": status}))
        )
    if seen.deployment is None and seen.pods:
        moves.append(replace(seen, pods=()))
    return moves


def bad_luck(seen: Observed) -> list[Observed]:
    """Moves that hurt: the user deletes things, a node fails, a cache is behind."""
    moves = [replace(seen, service=None), replace(seen, deployment=None)]
    if seen.workspace.metadata.finalizers:
        moves.append(deleting(seen))  # without a finalizer it would simply be gone
    moves += [replace(seen, nodes=tuple(node_of(c, ready=False) for c in seen.claims))]
    moves += [replace(seen, nodes=tuple(node_of(c, gpus=0) for c in seen.claims))]
    return moves


def prefixes(world: World, planned: tuple[Action, ...]) -> list[World]:
    """Worlds after each prefix of a plan: a crash may cut it short anywhere."""
    reached = []
    for action in planned:
        world = world.after(action)
        reached.append(world)
    return reached


@pytest.fixture(scope="module")
def reachable() -> list[Observed]:
    start = observed(workspace=workspace())
    seen = {repr(start): start}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        nexts = [w.seen for w in prefixes(World(here), actions(here))]
        for there in (*nexts, *good_luck(here), *bad_luck(here)):
            if there is not None and repr(there) not in seen:
                seen[repr(there)] = there
                queue.append(there)
    return list(seen.values())


def test_every_reachable_world_has_a_plan(reachable: list[Observed]) -> None:
    assert len(reachable) > 50
    assert all(plan(seen) for seen in reachable)


def test_every_world_ends_serving_or_gone(reachable: list[Observed]) -> None:
    for start in reachable:
        world = World(start)
        for _ in range(30):
            if world.seen is None:
                break
            todo = actions(world.seen)
            lucky = good_luck(world.seen)
            if todo:
                world = prefixes(world, todo)[-1]
            elif lucky:
                world = World(lucky[0])
            else:
                break
        if start.workspace.is_deleting:
            assert world.seen is None, start
        else:
            assert world.seen is not None
            assert is_serving(world.seen), start


def test_ready_is_said_exactly_when_serving(reachable: list[Observed]) -> None:
    for seen in reachable:
        if not seen.workspace.is_deleting and not actions(seen):
            assert all(step.satisfied for step in plan(seen)) == is_serving(seen)


def test_a_stale_cache_never_buys_a_second_node(reachable: list[Observed]) -> None:
    for seen in reachable:
        behind = replace(seen, claims=(), nodes=())
        for world in prefixes(World(seen), actions(behind)):
            if world.seen and not seen.workspace.is_deleting:
                assert len(world.seen.claims) <= 1


def test_f1_nothing_is_bought_before_the_finalizer_is_stored(reachable: list[Observed]) -> None:
    for seen in reachable:
        planned = actions(seen)
        if any(isinstance(action, Create) for action in planned):
            is_stored = labels.WORKSPACE_FINALIZER in seen.workspace.metadata.finalizers
            assert is_stored or isinstance(planned[0], AddFinalizer)


def test_the_finalizer_goes_only_when_no_claim_and_no_running_pod_is_left(
    reachable: list[Observed],
) -> None:
    for seen in reachable:
        if any(isinstance(action, ReleaseFinalizer) for action in actions(seen)):
            assert not seen.claims
            assert seen.deployment is None
            alive = {
                node.metadata.name
                for node in seen.nodes
                if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
            }
            assert not [pod for pod in seen.pods if pod.spec.node_name in alive]


def test_a_workspace_that_is_being_deleted_buys_nothing(reachable: list[Observed]) -> None:
    for seen in reachable:
        if seen.workspace.is_deleting:
            assert not any(isinstance(action, Create) for action in actions(seen))
