"""The plan over every reachable world of one claim, one pool name and one node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.cloud import InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.controllers.machine.status import status
from provisioner.controllers.machine.step import (
    DeleteNode,
    EvictPods,
    Launch,
    ReleaseFinalizer,
    Terminate,
)
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.worlds import (
    Pool,
    World,
    actions,
    good_luck,
    is_over,
    passes,
    reachable,
    seen,
    steps_of,
)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def worlds(request: pytest.FixtureRequest) -> set[World]:
    kind: ClaimKind = request.param
    return reachable(kind)


def test_every_world_has_an_answer(worlds: set[World]) -> None:
    assert len(worlds) > 500
    assert all(steps_of(world) for world in worlds if not is_over(world))


def test_a_pool_is_never_bought_for_a_claim_whose_pool_has_run(worlds: set[World]) -> None:
    assert max(world.bought for world in worlds) == 0


def test_nothing_is_launched_on_an_old_list_or_beside_a_pool_that_was_seen(
    worlds: set[World],
) -> None:
    for world in worlds:
        for action in actions(world):
            if isinstance(action, Launch):
                assert world.finalizer
                assert world.listed
                assert world.fresh
                assert world.view is None
                assert not world.deleting
                assert world.failure in {"", "due"}


def test_the_finalizer_goes_only_when_no_pool_and_no_node_of_ours_is_left(
    worlds: set[World],
) -> None:
    for world in worlds:
        if ReleaseFinalizer() in actions(world):
            assert world.pool is None or not world.pool.ours
            assert world.fresh
            if world.pool is None:
                assert not world.node


def test_a_pool_of_somebody_else_is_never_terminated(worlds: set[World]) -> None:
    for world in worlds:
        if any(isinstance(action, Terminate) for action in actions(world)):
            assert world.view is not None
            assert world.view.ours
            assert world.pool is None or world.pool.ours


def test_a_machine_goes_only_when_nothing_runs_on_it_and_nothing_can_come(
    worlds: set[World],
) -> None:
    for world in worlds:
        terminates = any(isinstance(action, Terminate) for action in actions(world))
        if world.deleting and world.node and terminates:
            assert world.cordoned
            assert not world.guests


def test_pods_are_evicted_only_for_a_deleted_claim_from_its_own_cordoned_node(
    worlds: set[World],
) -> None:
    for world in worlds:
        if any(isinstance(action, EvictPods) for action in actions(world)):
            assert world.deleting
            assert world.cordoned
            assert world.view is not None
            assert world.view.ours


def test_what_failed_is_given_back_when_the_reason_is_on_record(worlds: set[World]) -> None:
    for world in worlds:
        if any(isinstance(action, Terminate) and action.because for action in actions(world)):
            assert world.told


def test_a_node_is_only_deleted_together_with_its_pool(worlds: set[World]) -> None:
    for world in worlds:
        if any(isinstance(action, DeleteNode) for action in actions(world)):
            assert world.deleting
            assert world.pool is None


def test_ready_is_only_said_of_a_world_that_is_or_was_just_now(worlds: set[World]) -> None:
    for world in worlds:
        steps = steps_of(world)
        if steps and not world.deleting and all(step.satisfied for step in steps):
            assert world.node == "initialized"
            assert world.view is not None or world.launched or world.known


def test_every_world_comes_to_rest_at_its_goal(worlds: set[World]) -> None:
    for start in worlds:
        end = settled(start)
        if end.deleting:
            assert not end.finalizer
            assert end.pool is None or not end.pool.ours
        elif end.failure == "permanent":
            assert end.pool is None or not end.pool.ours
        elif end.launched or end.known:
            # What ran and is gone is not replaced here: that is the workspace's decision.
            assert end.ready or end.pool != Pool(InstanceState.RUNNING)
        else:
            pytest.fail(f"came to rest undone: {end}")


def settled(world: World) -> World:
    """Where a world ends with the plan and with luck, and nothing else."""
    for _ in range(60):
        if is_over(world):
            return world
        following = list(passes(world))[-1]
        if following == world:
            lucky = next(good_luck(world), None)
            if lucky is None:
                return world
            following = lucky
        world = following
    pytest.fail(f"no rest for {world}")


def test_the_status_of_every_world_can_be_written(worlds: set[World]) -> None:
    for world in worlds:
        steps = steps_of(world)
        told = status(seen(world), steps) if steps else None
        if told is None:
            continue
        assert isinstance(told["conditions"], list)
        assert [each["type"] for each in told["conditions"]] == (
            ["MachineInitialized", "MachineLaunched", "MachineRegistered", "Ready"]
            if world.kind.name == "Machine"
            else ["Launched", "Registered", "Initialized", "Ready"]
        )
        for each in told["conditions"]:
            assert each["status"] in {"True", "False", "Unknown"}
            assert each["reason"]
            assert each["lastTransitionTime"].endswith("Z")
            assert not each["message"].endswith(".")


@pytest.mark.parametrize(
    ("node", "ours", "capacity"),
    [
        pytest.param("", True, {"cpu": "24", "nvidia.com/gpu": "1"}, id="before the node"),
        pytest.param("initialized", True, builders.node().status.capacity, id="the node's own"),
        pytest.param("", False, {}, id="somebody else's instance"),
    ],
)
def test_a_claim_says_what_the_cloud_promises_until_its_node_speaks_for_itself(
    node: str, *, ours: bool, capacity: dict[str, str]
) -> None:
    pool = Pool(InstanceState.RUNNING, ours=ours)
    world = World(MACHINE, finalizer=True, pool=pool, view=pool, listed=True, node=node)
    look = seen(world)
    assert look.listing is not None
    promised = {"cpu": "24", "nvidia.com/gpu": "1"}
    found = replace(look.listing.instances[NAME], capacity=promised)
    look = replace(look, listing=replace(look.listing, instances={NAME: found}))

    said = status(look, steps_of(world))

    assert said is not None
    assert said.get("capacity", {}) == capacity
