"""What is promised of every moment of a workspace's life on two nodes, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kaito.api.reasons import TERMINAL
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Apply, Create, Delete, DeleteUnseen, ReleaseFinalizer
from kaito.nodes.claim import Claim, claim_place, claim_type
from tests.unit.controllers.workspace.kstatus import faults, kstatus
from tests.unit.controllers.workspace.lives import (
    COUNT,
    PLENTY,
    Life,
    actions,
    begin,
    begin_late,
    begin_mixed,
    helped,
    is_pinned,
    is_up,
    reachable,
    stored,
)
from tests.unit.controllers.workspace.tuninglives import begin_tuning, is_tuned
from tests.unit.controllers.workspace.worlds import World

ROUNDS = 80
"""More passes than any life here needs to come to rest."""


@dataclass(frozen=True)
class Lives:
    """All moments of four kinds of life.

    Attributes:
        bought: on two nodes that are bought.
        mixed: on one that is bought and one that somebody has brought.
        tunings: until the adapter is on record.
        late: on two that somebody has brought after two were bought; a stroke less than the others.
    """

    bought: tuple[Life, ...]
    mixed: tuple[Life, ...]
    tunings: tuple[Life, ...]
    late: tuple[Life, ...]

    @property
    def all(self) -> tuple[Life, ...]:
        """Every moment of any."""
        return (*self.bought, *self.mixed, *self.tunings, *self.late)

    @classmethod
    def hurt(cls, strokes: int) -> Lives:
        """Those with at most so many strokes of bad luck."""
        begun = ((begin(), 0), (begin_mixed(), 0), (begin_tuning(), 0), (begin_late(), 1))
        return cls(*(tuple(reachable(one, strokes=strokes - less).values()) for one, less in begun))


Promise = Callable[[Lives], None]
PROMISES: list[Promise] = []
"""All that are below; each raises AssertionError where it is broken."""


def promised(promise: Promise) -> Promise:
    """Put a promise on the list."""
    PROMISES.append(promise)
    return promise


def is_reported(seen: Observed) -> bool:
    """Whether a pass says what it sees: one that makes or deletes something is followed by one."""
    has_moved = any(not isinstance(action, Apply | DeleteUnseen) for action in actions(seen))
    return not has_moved and all(step.told for step in plan(seen))


def is_serving(seen: Observed) -> bool:
    """The goal, stated without asking the planner."""
    on = {
        node.metadata.name
        for node in seen.nodes
        if is_up(node) and node.status.allocatable.get("nvidia.com/gpu") == "1"
    }
    whole = [
        claim
        for claim in seen.claims
        if claim.metadata.deletion_timestamp is None and claim.status.node_name in on
    ]
    return (
        len(whole) == len(seen.claims) == COUNT
        and {claim.metadata.annotations["kaito.sh/claim"][0] for claim in whole} == {"0", "1"}
        and seen.deployment is None
        and seen.stateful_set is not None
        and seen.stateful_set.status.ready_replicas == COUNT
        and seen.service is not None
        and seen.headless is not None
    )


def at_rest(seen: Observed) -> Observed | None:
    """The end of a life from here on, if luck is good; None where the workspace is gone."""
    for _ in range(ROUNDS):
        todo = actions(seen)
        if todo:
            world = World(seen)
            for action in todo:
                world = world.after(action)
            if world.seen is None:
                return None
            seen = world.seen
            continue
        if status(seen, plan(seen)) != seen.workspace.status:
            seen = stored(seen, plan(seen))
            continue
        there = next(helped(seen), None)
        if there is None:
            return seen
        seen = there
    raise AssertionError(f"no rest after {ROUNDS} passes: {plan(seen)}")


@promised
def each_moment_has_a_plan(lives: Lives) -> None:
    assert all(plan(life.seen) for life in lives.bought)


@promised
def each_stage_is_told_by_a_reason_of_its_own(lives: Lives) -> None:
    told = {str(step.reason) for life in lives.bought for step in plan(life.seen)}

    up = {"Applying", "WorkloadProgressing", "WorkloadReady", "NodesReady"}
    bought = {"WaitingForMachines", "ReplacingMachines", "MachinesReady"}
    assert told >= up | bought | {"WorkloadDeleting", "MachinesDeleting", "Finalizing"}


@promised
def a_reason_that_a_step_gives_is_one_that_people_meet(lives: Lives) -> None:
    given, met = set(), set()
    for life in lives.all:
        steps = plan(life.seen)
        given |= {str(step.reason) for step in steps}
        if is_reported(life.seen):
            met |= {one.reason for one in status(life.seen, steps).conditions}

    elsewhere = {
        "Reconciling",  # of the metrics, before the first look
        "Applying",  # a workload of another revision
        "Finalizing",  # another's finalizer stays
    }
    assert given - met == elsewhere


@promised
def every_life_ends_serving_or_gone(lives: Lives) -> None:
    for life in lives.bought:
        end = at_rest(life.seen)

        if life.seen.workspace.is_deleting:
            assert end is None, life.seen
        else:
            assert end is not None
            assert is_serving(end), life.seen


@promised
def ready_is_said_exactly_when_it_serves(lives: Lives) -> None:
    for life in lives.bought:
        seen = life.seen
        if not seen.workspace.is_deleting and not actions(seen):
            assert all(step.satisfied for step in plan(seen)) == is_serving(seen), seen


@promised
def each_answer_of_a_step_has_a_meaning_beside_the_others(lives: Lives) -> None:
    steps = [step for life in lives.all for step in plan(life.seen)]

    for step in steps:
        is_plain = step.told and step.lasting and step.holds_up
        assert is_plain or not step.satisfied, "nobody asks"
        assert step.told or not step.actions, "what is changed brings the workspace back"
        assert step.told or step.reason not in TERMINAL, "what fails is told at once"
        assert step.lasting or step.holds_up, "what may pass by itself is waited for"
        assert step.holds_up or step.actions, "nothing holds up that nothing is done about"
    assert {step.lasting for step in steps} == {step.holds_up for step in steps} == {True, False}


def runs_where_it_is_pinned(seen: Observed) -> bool:
    """The goal where a node was brought: whoever made a node, pods are where the status says."""
    on = sorted(pod.spec.node_name for pod in seen.pods)
    up = {node.metadata.name for node in seen.nodes if is_up(node) and is_pinned(node)}
    return (
        len(on) == COUNT
        and up.issuperset(on)
        and seen.workload is not None
        and seen.workload.status.ready_replicas == COUNT
        and seen.workspace.status.worker_nodes == tuple(on)
        and {claim.status.node_name for claim in seen.claims} <= set(on)
    )


@promised
def every_life_on_a_node_that_was_brought_ends_pinned_or_gone(lives: Lives) -> None:
    for life in (*lives.mixed, *lives.late):
        end = at_rest(life.seen)

        if life.seen.workspace.is_deleting:
            assert end is None, life.seen
        else:
            assert end is not None
            assert runs_where_it_is_pinned(end), end


@promised
def every_tuning_ends_with_its_adapter_on_record_or_gone(lives: Lives) -> None:
    for life in lives.tunings:
        end = at_rest(life.seen)

        if life.seen.workspace.is_deleting:
            assert end is None, life.seen
        else:
            assert end is not None
            assert is_tuned(end), life.seen


@promised
def kstatus_is_told_the_truth_at_every_moment(lives: Lives) -> None:
    words = set()
    for life in (*lives.bought, *lives.tunings):
        said = status(life.seen, plan(life.seen))
        word = kstatus(life.seen, said)
        words.add(word)
        reached = said.tuning is not None if life.seen.workspace.tuning else is_serving(life.seen)

        assert faults(life.seen, said) == [], life.seen
        assert word != "Current" or reached, life.seen
        assert word != "Failed" or life.strokes > 0, life.seen
    assert words == {"Terminating", "InProgress", "Failed", "Current"}


@promised
def there_is_never_more_than_one_claim_for_a_node(lives: Lives) -> None:
    for life in lives.bought:
        places = [claim_place(claim)[0] for claim in life.seen.claims]
        assert len(places) == len(set(places)) <= COUNT, places


@promised
def a_claim_is_given_back_only_for_a_reason_that_is_on_record(lives: Lives) -> None:
    for life in lives.bought:
        recorded = {(one.ordinal, one.attempt) for one in life.seen.workspace.status.attempts}
        for action in actions(life.seen):
            if isinstance(action, Delete) and isinstance(action.seen, Claim):
                place = claim_place(action.seen)
                assert life.seen.workspace.is_deleting or place in recorded


@promised
def a_machine_too_many_is_given_back_only_when_no_pod_can_be_on_it(lives: Lives) -> None:
    met = set()
    for life in lives.late:
        seen = life.seen
        recorded = {(one.ordinal, one.attempt) for one in seen.workspace.status.attempts}
        for action in () if seen.workspace.is_deleting else actions(seen):
            if not (isinstance(action, Delete) and isinstance(action.seen, Claim)):
                continue
            if claim_place(action.seen) not in recorded:
                on, name = {pod.spec.node_name for pod in seen.pods}, action.seen.status.node_name
                met.add(bool(name))
                assert name not in on.union(seen.workspace.status.worker_nodes)
                assert len(on) == COUNT
    assert met == {True, False}


@promised
def no_node_of_a_deleted_workspace_is_given_back_while_a_pod_runs_on_it(lives: Lives) -> None:
    met = 0
    for life in lives.bought:
        live = {node.metadata.name for node in life.seen.nodes if is_up(node)}
        running = {pod.spec.node_name for pod in life.seen.pods} & live
        for action in actions(life.seen):
            if isinstance(action, Delete) and isinstance(action.seen, Claim):
                met += 1
                assert not (life.seen.workspace.is_deleting and running), life.seen
    assert met


@promised
def what_is_on_record_is_never_asked_for_again(lives: Lives) -> None:
    for life in lives.bought:
        recorded = {(one.ordinal, one.attempt) for one in life.seen.workspace.status.attempts}
        for action in actions(life.seen):
            if isinstance(action, Create):
                made = action.resource.type.model_validate(action.manifest)
                assert not isinstance(made, Claim) or claim_place(made) not in recorded


@promised
def a_type_that_has_no_quota_is_asked_for_only_before_that_is_known(lives: Lives) -> None:
    met = False
    for life in lives.bought:
        gone = {
            one.instance_type
            for one in life.seen.workspace.status.attempts
            if one.reason == "QuotaExceeded"
        }
        for action in actions(life.seen):
            if isinstance(action, Create) and gone:
                made = action.resource.type.model_validate(action.manifest)
                if isinstance(made, Claim):
                    assert claim_type(made) == PLENTY
                    met = True
    assert met


@promised
def the_finalizer_goes_only_when_nothing_is_left(lives: Lives) -> None:
    for life in lives.bought:
        if any(isinstance(action, ReleaseFinalizer) for action in actions(life.seen)):
            assert not life.seen.claims
            assert life.seen.deployment is None
            assert life.seen.stateful_set is None
