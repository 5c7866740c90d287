"""Claims that fail or vanish: what is tried next, when it ends, and never two for one node."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.api import machine
from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status, verdict
from kaito.controllers.workspace.step import Create, Delete
from kaito.nodes.claim import Claim, claim_place, claim_type
from tests.unit.controllers.workspace.worlds import (
    NOW,
    World,
    acted,
    node_of,
    observed,
    stored,
    with_condition,
    workspace,
)

FIRST, SECOND = "Standard_X", "Standard_Y"


def choosy(**changes: object) -> Observed:
    """A look at a workspace that takes two types, the first one better."""
    held = observed().workspace.metadata.model_dump(by_alias=True)
    resource = {
        "instanceTypes": [FIRST, SECOND],
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }
    return observed(workspace=workspace(metadata=held, resource=resource), **changes)


def without_quota(claim: Claim) -> Claim:
    return with_condition(
        claim, machine.LAUNCHED, "False", "0 of 24 vCPUs left", reason="QuotaExceeded"
    )


def deleted(claim: Claim) -> Claim:
    """A claim that somebody else has deleted."""
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    return claim.model_copy(update={"metadata": metadata})


def only(seen: Observed) -> Claim:
    (claim,) = seen.claims
    return claim


def test_the_first_choice_is_asked_for_first() -> None:
    assert claim_type(only(acted(choosy()))) == FIRST


def test_a_type_without_quota_is_given_back_before_the_next_is_asked_for() -> None:
    asked = acted(choosy())
    refused = stored(replace(asked, claims=(without_quota(only(asked)),)))
    given_back = acted(refused)
    gone = acted(replace(given_back, claims=()))

    assert [type(action) for action in ensure_claims(refused).actions] == [Delete]
    assert ensure_claims(given_back).actions == ()
    assert claim_type(only(gone)) == SECOND
    assert claim_place(only(gone)) == (0, 1)
    (attempt,) = gone.workspace.status.attempts
    assert (attempt.instance_type, attempt.reason) == (FIRST, "QuotaExceeded")
    assert attempt.message == "0 of 24 vCPUs left"


def test_a_failure_is_on_record_before_anything_is_given_back() -> None:
    asked = acted(choosy())
    refused = replace(asked, claims=(without_quota(only(asked)),))

    assert ensure_claims(refused).actions == ()
    assert status(refused, plan(refused)).attempts != ()


def test_the_last_type_that_is_left_stays_asked_for() -> None:
    asked = acted(observed())
    refused = stored(replace(asked, claims=(without_quota(only(asked)),)))

    assert refused.workspace.status.attempts == ()
    assert ensure_claims(refused).actions == ()
    assert "0 of 24 vCPUs left" in ensure_claims(refused).message
    assert verdict(plan(refused)).stalled


def test_a_lack_of_capacity_may_pass_and_is_not_stalled() -> None:
    asked = acted(observed())
    short = with_condition(only(asked), machine.LAUNCHED, "False", reason="CapacityUnavailable")

    assert not verdict(plan(replace(asked, claims=(short,)))).stalled


@pytest.mark.parametrize("reason", ["LaunchTimedOut", "RegistrationTimedOut"])
def test_a_claim_that_is_overdue_is_followed_by_another_of_the_same_type(reason: str) -> None:
    asked = acted(observed())
    late = with_condition(only(asked), machine.REGISTERED, "False", reason=reason)
    gone = acted(replace(acted(stored(replace(asked, claims=(late,)))), claims=()))

    assert claim_type(only(gone)) == FIRST
    assert claim_place(only(gone)) == (0, 1)


def test_a_gpu_that_never_appears_does_not_buy_another_node() -> None:
    asked = acted(observed())
    blind = with_condition(
        only(asked), machine.INITIALIZED, "False", reason="InitializationTimedOut"
    )

    assert stored(replace(asked, claims=(blind,))).workspace.status.attempts == ()


def lose_every_claim(seen: Observed) -> Iterator[Observed]:
    """One world after another in which each claim is deleted by somebody else."""
    while True:
        seen = acted(seen)
        if not seen.claims:
            return
        lost = stored(replace(seen, claims=(deleted(only(seen)),)))
        yield lost
        seen = replace(lost, claims=())


def test_a_claim_is_followed_a_bounded_number_of_times() -> None:
    *_, last = lose_every_claim(observed())
    ended = replace(last, claims=())

    assert len(last.workspace.status.attempts) == 4
    assert ensure_claims(ended).actions == ()
    assert "gave up after 4 claims of type Standard_X" in ensure_claims(ended).message
    assert "ClaimDeleted" in ensure_claims(ended).message
    assert verdict(plan(ended)).stalled


def test_the_count_begins_anew_once_the_model_has_answered() -> None:
    lost = next(lose_every_claim(observed()))
    again = acted(replace(lost, claims=()))
    ready = with_condition(only(again), machine.READY, "True")
    up = serving(replace(again, claims=(ready,), nodes=(node_of(ready),)))

    told = stored(up)
    (kept,) = told.workspace.status.attempts
    assert (kept.attempt, kept.settled) == (0, True)
    assert stored(told).workspace.status == told.workspace.status
    *_, last = lose_every_claim(replace(told, claims=(deleted(ready),), nodes=(), deployment=None))
    ended = replace(last, claims=())
    assert [one.attempt for one in last.workspace.status.attempts] == [0, 1, 2, 3, 4]
    assert "gave up after 4 claims of type Standard_X" in ensure_claims(ended).message


def test_a_name_that_was_given_once_is_not_given_to_another_claim() -> None:
    lost = next(lose_every_claim(observed()))
    again = acted(replace(lost, claims=()))
    ready = with_condition(only(again), machine.READY, "True")
    up = stored(serving(replace(again, claims=(ready,), nodes=(node_of(ready),))))

    asked = acted(replace(up, claims=(), nodes=()))

    assert only(asked).metadata.name == ready.metadata.name  # the server has it: no second node


def serving(seen: Observed) -> Observed:
    """The world once the workload is made and its pods are ready."""
    made = acted(acted(seen))
    assert made.deployment
    ready = made.deployment.status.model_copy(
        update={
            "observed_generation": 1,
            "replicas": 1,
            "updated_replicas": 1,
            "ready_replicas": 1,
            "available_replicas": 1,
        }
    )
    return replace(made, deployment=made.deployment.model_copy(update={"status": ready}))


def test_nodes_may_be_asked_for_by_node_claims_of_a_class() -> None:
    seen = acted(choosy(options=Options(registry="", node_class="karpenter.azure.com/AKS/mine")))
    claim = only(seen)

    assert isinstance(claim, NodeClaim)
    assert claim.spec.node_class_ref.model_dump() == {
        "group": "karpenter.azure.com",
        "kind": "AKS",
        "name": "mine",
    }
    assert "NodeClaimReady" in {one.type for one in stored(seen).workspace.status.conditions}


def test_several_nodes_are_asked_for_at_once_and_each_is_followed_by_itself() -> None:
    template: dict[str, object] = {"template": {"spec": {"containers": []}}}
    resource = {
        "count": 3,
        "instanceType": FIRST,
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }
    held = observed().workspace.metadata.model_dump(by_alias=True)
    wide = workspace(metadata=held, resource=resource, inference=template)
    asked = acted(observed(workspace=wide))
    lost, *others = asked.claims
    again = stored(replace(asked, claims=(deleted(lost), *others)))
    gone = acted(replace(again, claims=tuple(others)))

    assert sorted(map(claim_place, asked.claims)) == [(0, 0), (1, 0), (2, 0)]
    assert sorted(map(claim_place, gone.claims)) == [(0, 1), (1, 0), (2, 0)]


def test_claims_of_the_other_kind_keep_their_place_when_the_setting_is_flipped() -> None:
    asked = stored(acted(observed()))
    flipped = replace(asked, options=Options(registry="", node_class="kaito.sh/KaitoNodeClass/d"))
    types = {one.type for one in stored(flipped).workspace.status.conditions}

    assert ensure_claims(flipped).actions == ()
    assert "NodeClaimReady" in types
    assert "MachineReady" not in types


def fates(seen: Observed) -> Iterator[Observed]:
    """What may become of the world by itself: the claim fails, is deleted, vanishes, is ready."""
    for claim in seen.claims:
        if claim.is_deleting:
            yield replace(seen, claims=(), nodes=())
            continue
        yield replace(seen, claims=(deleted(claim),))
        if not claim.status.conditions:
            if claim_type(claim) == FIRST:
                yield replace(seen, claims=(without_quota(claim),))
            ready = with_condition(claim, machine.READY, "True")
            yield replace(seen, claims=(ready,), nodes=(node_of(ready),))


def crashes(seen: Observed) -> Iterator[Observed]:
    """Worlds after each part of the phase: a crash may cut it short anywhere."""
    world = World(seen)
    for action in ensure_claims(seen).actions:
        world = world.after(action)
        assert world.seen
        yield world.seen
    yield stored(seen)


def gist(seen: Observed) -> tuple[object, ...]:
    """What tells one world from another, as far as claims go."""
    claims = [
        (claim_place(claim), claim_type(claim), claim.is_deleting, len(claim.status.conditions))
        for claim in seen.claims
    ]
    past = [(one.attempt, one.reason) for one in seen.workspace.status.attempts]
    return (tuple(claims), tuple(past))


@pytest.fixture(scope="module")
def reachable() -> list[Observed]:
    start = choosy()
    known = {gist(start): start}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for there in (*crashes(here), *fates(here)):
            if gist(there) not in known:
                known[gist(there)] = there
                queue.append(there)
    return list(known.values())


def test_there_is_never_more_than_one_claim_for_a_node(reachable: list[Observed]) -> None:
    assert len(reachable) > 50
    assert {len(seen.claims) for seen in reachable} == {0, 1}


def test_a_claim_whose_failure_is_on_record_is_never_asked_for_again(
    reachable: list[Observed],
) -> None:
    for seen in reachable:
        failed = {(one.ordinal, one.attempt) for one in seen.workspace.status.attempts}
        for action in ensure_claims(seen).actions:
            if isinstance(action, Create):
                claim = action.resource.type.model_validate(action.manifest)
                assert isinstance(claim, Machine | NodeClaim)
                assert claim_place(claim) not in failed


def test_nothing_is_given_back_that_is_not_on_record(reachable: list[Observed]) -> None:
    for seen in reachable:
        failed = {(one.ordinal, one.attempt) for one in seen.workspace.status.attempts}
        for action in ensure_claims(seen).actions:
            if isinstance(action, Delete):
                assert isinstance(action.seen, Machine | NodeClaim)
                assert claim_place(action.seen) in failed


def made(seen: Observed, *, seconds_ago: float) -> Observed:
    """The same world, whose claim was made a while ago."""
    claim = only(seen)
    since = {"creation_timestamp": NOW - timedelta(seconds=seconds_ago)}
    metadata = claim.metadata.model_copy(update=since)
    return replace(seen, claims=(claim.model_copy(update={"metadata": metadata}),))


def test_of_a_claim_that_is_just_made_nothing_is_told() -> None:
    step = ensure_claims(made(acted(observed()), seconds_ago=1))

    assert not step.told
    assert not step.satisfied
    assert step.recheck_seconds == 2, "what comes meanwhile does not put it off"


def test_it_is_told_that_nobody_takes_a_claim_up() -> None:
    asked = acted(observed())

    assert not ensure_claims(made(asked, seconds_ago=2)).told
    assert ensure_claims(made(asked, seconds_ago=3)).told
    assert ensure_claims(made(asked, seconds_ago=-1)).told, "our clock is behind"
    assert ensure_claims(asked).told, "nobody knows since when"


def test_of_a_young_claim_only_a_failure_is_told_at_once() -> None:
    young = made(acted(observed()), seconds_ago=0)
    begun = with_condition(only(young), machine.LAUNCHED, "Unknown", reason="Launching")

    assert not ensure_claims(replace(young, claims=(begun,))).told
    assert ensure_claims(replace(young, claims=(without_quota(only(young)),))).told


def test_a_workspace_that_has_said_something_does_not_leave_it_standing() -> None:
    before = stored(made(acted(observed()), seconds_ago=5))

    assert ensure_claims(made(before, seconds_ago=0)).told


def launched(seen: Observed, *, seconds_ago: float) -> Observed:
    """The same world, whose claim has been launched a moment ago."""
    claim = with_condition(only(seen), machine.LAUNCHED, "True")
    since = {"last_transition_time": NOW - timedelta(seconds=seconds_ago)}
    conditions = tuple(each.model_copy(update=since) for each in claim.status.conditions)
    told = claim.status.model_copy(update={"conditions": conditions})
    return replace(seen, claims=(claim.model_copy(update={"status": told}),))


def test_a_stage_that_was_just_reached_is_told_when_it_lasts() -> None:
    waiting = stored(made(acted(observed()), seconds_ago=5))
    step = ensure_claims(launched(waiting, seconds_ago=4))

    assert (step.told, step.satisfied, step.recheck_seconds) == (False, False, 5)
    assert ensure_claims(launched(waiting, seconds_ago=5)).told
    assert ensure_claims(launched(waiting, seconds_ago=-1)).told, "our clock is behind"


def test_what_was_said_of_another_spec_does_not_stand_for_a_moment() -> None:
    waiting = launched(stored(made(acted(observed()), seconds_ago=5)), seconds_ago=1)
    changed = waiting.workspace.metadata.model_copy(update={"generation": 2})
    later = waiting.workspace.model_copy(update={"metadata": changed})

    assert ensure_claims(replace(waiting, workspace=later)).told
