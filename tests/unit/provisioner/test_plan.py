"""The plan over every world of one claim, one pool name and its nodes; the goal is stated here.

The worlds are those of a Machine. In each of them a NodeClaim is planned for alike, down to the
actions; so its worlds are the same, and what is shown of the one Kind holds of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

import pytest

from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM
from provisioner.controllers.machine.status import status
from provisioner.controllers.machine.step import (
    Action,
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
from tests.unit.provisioner import builders
from tests.unit.provisioner.builders import NAME
from tests.unit.provisioner.moves import WAYS, applied, good_luck, passes, reachable
from tests.unit.provisioner.worlds import (
    FOREIGN,
    PENDING,
    RUNNING,
    World,
    actions,
    seen,
    shown,
    steps_of,
)

Worlds = frozenset[World]
Taken = dict[type[Action], list[tuple[World, Action]]]


@pytest.fixture(scope="module", params=WAYS)
def worlds(request: pytest.FixtureRequest) -> Worlds:
    return reachable(MACHINE.name, request.param)


@pytest.fixture(scope="module")
def taken(worlds: Worlds) -> Taken:
    """Every action, by its type, and the world in the moment before."""
    found: Taken = defaultdict(list)
    for world in worlds:
        current = world
        for action in actions(world):
            found[type(action)].append((current, action))
            current = applied(current, action)
    return found


def test_every_world_has_an_answer(worlds: Worlds) -> None:
    assert len(worlds) > 500
    assert all(steps_of(world) for world in worlds if not world.is_over)


def test_both_kinds_are_planned_for_alike_in_every_world(worlds: Worlds) -> None:
    shown_worlds = {shown(world) for world in worlds}

    assert {world.kind for world in shown_worlds} == {MACHINE.name}
    for world in shown_worlds:
        other = world._replace(kind=NODE_CLAIM.name)
        assert outline(steps_of(world)) == outline(steps_of(other)), world


def outline(steps: tuple[Step, ...]) -> list[object]:
    """All of the steps but the Kind in the owner of what is launched."""
    return [
        (
            (step.aspect, step.status, step.reason, step.message, step.recheck_seconds),
            (step.in_cloud, step.is_steady, step.is_brief),
            [_kindless(action) for action in step.actions],
        )
        for step in steps
    ]


def _kindless(action: Action) -> object:
    match action:
        case Launch(spec=spec):
            return replace(spec, owner=builders.owner())
        case Terminate(name=name, because=because):
            # Failures are compared by what they say: an exception equals only itself.
            return name, repr(because)
    return action


def test_every_action_that_the_plan_knows_is_taken_somewhere() -> None:
    every = frozenset().union(*(reachable(MACHINE.name, way) for way in WAYS))

    assert {type(action) for world in every for action in actions(world)} == set(get_args(Action))


def test_a_pool_is_never_bought_for_a_claim_whose_pool_has_run(worlds: Worlds) -> None:
    assert max(world.bought for world in worlds) == 0


def test_a_pool_that_is_being_created_counts_as_launched_once_its_own_node_is_usable_or_was(
    worlds: Worlds,
) -> None:
    asked = [
        world
        for world in worlds
        if world.view == PENDING and not (world.deleting or world.told or world.known)
    ]
    for world in asked:
        (said,) = [step for step in steps_of(world) if step.aspect == "Launched"][1:]
        usable = world.node and world.trouble in {"", "reserved", "zoned", "replaced"}
        labelled = world.node in {"registered", "initialized"}
        was = labelled and world.trouble in {"unready", "tainted", "starting", "blind"}
        assert said.satisfied == bool((usable or was) and not world.stale)
    assert {bool(world.node) for world in asked} == {True, False}


def test_nothing_is_launched_on_an_old_list_or_beside_a_pool_that_was_seen(taken: Taken) -> None:
    for world, _ in taken[Launch]:
        assert world.finalizer
        assert world.listed
        assert world.fresh
        assert not world.view
        assert not world.full
        assert not world.deleting
        assert not world.ran
        assert world.asks != "nothing"
        assert world.failure in {"", "due"}


def test_the_finalizer_goes_only_when_no_pool_and_no_node_of_ours_is_left(taken: Taken) -> None:
    for world, _ in taken[ReleaseFinalizer]:
        assert world.deleting
        assert not world.owns
        assert world.fresh
        assert world.pool or not world.node


def test_a_pool_of_somebody_else_is_never_terminated(taken: Taken) -> None:
    for world, _ in taken[Terminate]:
        assert world.view not in {"", FOREIGN}


def test_a_pool_that_runs_is_only_given_back_by_the_deletion_of_its_claim(taken: Taken) -> None:
    for world, _ in taken[Terminate]:
        assert world.deleting or not world.ran


def test_a_machine_goes_only_when_nothing_can_come_and_nothing_runs_on_it_any_more_or_time_is_up(
    taken: Taken,
) -> None:
    for world, _ in taken[Terminate]:
        if world.deleting:
            assert world.cordoned == world.nodes
            assert world.late or not world.guests


def test_pods_are_evicted_once_and_only_for_a_deleted_claim_from_its_own_cordoned_nodes(
    taken: Taken,
) -> None:
    for world, _ in taken[EvictPods]:
        assert world.deleting
        assert not world.late
        assert world.guests in {"there", "barred"}
        assert world.cordoned == world.nodes
        assert world.view not in {"", FOREIGN}


def test_nodes_are_cordoned_only_for_a_deleted_claim_whose_own_pool_they_are_of(
    taken: Taken,
) -> None:
    for world, _ in taken[CordonNode]:
        assert world.deleting
        assert world.cordoned < world.nodes
        assert world.view not in {"", FOREIGN}


def test_what_failed_is_given_back_when_the_reason_is_on_record(taken: Taken) -> None:
    for world, action in taken[Terminate]:
        if isinstance(action, Terminate) and action.because:
            assert world.told == type(action.because).__name__


def test_a_node_is_only_deleted_together_with_its_pool(taken: Taken) -> None:
    for world, _ in taken[DeleteNode]:
        assert world.deleting
        assert world.fresh
        assert not world.owns


def test_a_node_is_adopted_only_where_it_is_the_one_of_the_machine_that_was_bought(
    taken: Taken,
) -> None:
    for world, action in taken[LabelNode]:
        assert not world.deleting
        assert world.trouble not in {"twin", "nameless"}
        assert not (world.trouble == "replaced" and world.known)
        if isinstance(action, LabelNode) and ("karpenter.sh/initialized", "true") in action.labels:
            assert world.trouble not in {"unready", "tainted", "blind", "starting"}


def test_a_claim_is_deleted_only_when_it_is_overdue_and_that_was_asked_for(taken: Taken) -> None:
    for world, _ in taken[DeleteClaim]:
        assert world.late == "deleted"
        assert not world.deleting
        assert not (world.ready and world.view == world.pool)


def test_ready_is_only_said_of_a_world_that_is_or_was_just_now(worlds: Worlds) -> None:
    for world in worlds:
        steps = steps_of(world)
        if steps and not world.deleting and all(step.satisfied for step in steps):
            assert world.node == "initialized"
            assert world.trouble not in {"unready", "twin", "nameless"}
            assert not (world.trouble == "replaced" and world.known)
            assert world.view or world.ran


def test_every_world_comes_to_rest_at_its_goal(worlds: Worlds) -> None:
    for end in ends(worlds):
        if end.deleting:
            assert not end.finalizer
            assert not end.owns
        elif end.failure == "permanent" or (end.asks == "nothing" and not end.ran):
            assert not end.owns
        elif end.ran:
            # What ran and is gone is not replaced here: that is the workspace's decision.
            assert end.ready or end.pool != RUNNING or end.trouble == "replaced"
        else:
            pytest.fail(f"came to rest undone: {end}")


def ends(worlds: Worlds) -> frozenset[World]:
    """Where worlds come to rest with the plan and with luck, and nothing else."""
    rest: dict[World, World] = {}
    for start in worlds:
        if start in rest:
            continue
        trail: dict[World, None] = {}
        world, following = start, forward(start)
        while following is not None and world not in rest:
            assert world not in trail, f"no rest for {world}"
            trail[world] = None
            world, following = following, forward(following)
        rest |= dict.fromkeys((*trail, world), rest.get(world, world))
    return frozenset(rest.values())


def forward(world: World) -> World | None:
    """The next world without any mishap; None at rest."""
    if world.is_over:
        return None
    *_, planned = passes(world)
    return planned if planned != world else next(good_luck(world), None)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_the_status_of_every_world_can_be_written(kind: str, worlds: Worlds) -> None:
    for world in told_apart(worlds):
        look = seen(world._replace(kind=kind))
        steps = steps_of(world._replace(kind=kind))
        told = status(look, steps) if steps else None
        if told is None:
            continue
        assert isinstance(told["conditions"], list)
        assert [each["type"] for each in told["conditions"]] == (
            ["MachineInitialized", "MachineLaunched", "MachineRegistered", "Ready"]
            if kind == "Machine"
            else ["Launched", "Registered", "Initialized", "Ready"]
        )
        for each in told["conditions"]:
            assert each["status"] in {"True", "False", "Unknown"}
            assert each["reason"]
            assert each["lastTransitionTime"].endswith("Z")
            assert not each["message"].endswith(".")


def told_apart(worlds: Worlds) -> Iterable[World]:
    """One world for each status that there may be.

    Pods, cordons, what is remembered of the cloud and how old the list is reach a status by way
    of the steps alone; worlds that are otherwise the same, and whose steps say the same, have one.
    """
    found: dict[object, World] = {}
    for world in {shown(world) for world in worlds}:
        said = tuple(
            (each.aspect, each.status, each.reason, each.message) for each in steps_of(world)
        )
        rest = world._replace(
            cordoned=0, guests="", before=False, fresh=False, full=False, mute=False, failure=""
        )
        found[rest, said] = world
    return found.values()


@pytest.mark.parametrize(
    ("node", "pool", "capacity"),
    [
        pytest.param("", PENDING, {}, id="while it is created"),
        pytest.param("", RUNNING, {"cpu": "24", "nvidia.com/gpu": "1"}, id="before the node"),
        pytest.param("initialized", RUNNING, builders.node().status.capacity, id="the node's own"),
        pytest.param("", FOREIGN, {}, id="somebody else's instance"),
    ],
)
def test_a_claim_says_what_the_cloud_promises_until_its_node_speaks_for_itself(
    node: str, pool: str, capacity: dict[str, str]
) -> None:
    world = World(MACHINE.name, finalizer=True, pool=pool, view=pool, listed=True, node=node)
    look = seen(world)
    assert look.listing is not None
    promised = {"cpu": "24", "nvidia.com/gpu": "1"}
    found = replace(look.listing.instances[NAME], capacity=promised)
    look = replace(look, listing=replace(look.listing, instances={NAME: found}))

    said = status(look, steps_of(world))

    assert said is not None
    assert said.get("capacity", {}) == capacity


def test_a_claim_whose_pool_somebody_replaced_is_told_so_and_gets_no_other() -> None:
    world = World(
        MACHINE.name, finalizer=True, pool=FOREIGN, view=FOREIGN, listed=True, told="Launched"
    )

    step = steps_of(world)[-1]

    assert (step.status, step.reason, step.actions) == ("False", "InstanceGone", ())
    assert step.message.startswith(f"Agent pool {NAME} was replaced by somebody else")
