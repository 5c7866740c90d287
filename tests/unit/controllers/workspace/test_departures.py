"""Claims that are deleted before there is a machine for them, as Karpenter does without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest

from kaito.api import labels, machine, nodeclaim
from kaito.api.machine import MACHINES
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.departures import Departures
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import verdict
from kaito.controllers.workspace.step import Delete
from kaito.kube.informer import Informer
from kaito.kube.lease import NotLeading
from kaito.kube.objects import Ref
from kaito.kube.reflector import Selection
from kaito.nodes.attempts import CLAIM_DELETED, NEVER_LAUNCHED, kept
from kaito.nodes.claim import Claim, claim_place, claim_type
from tests.unit.controllers.workspace.bench import CLAIMS, Bench
from tests.unit.controllers.workspace.worlds import (
    NOW,
    acted,
    deleting,
    node,
    observed,
    stored,
    with_condition,
    workspace,
)

FIRST, SECOND = "Standard_X", "Standard_Y"
LATER = NOW + timedelta(hours=1)


KARPENTER = Options(registry="", node_class="karpenter.azure.com/AKSNodeClass/gpu")


def asked(*types: str, by: Options = KARPENTER, count: int = 1) -> Observed:
    """A workspace that takes these types, and has a claim for the first."""
    held = observed().workspace.metadata.model_dump(by_alias=True)
    selector = {"matchLabels": {"apps": "phi"}}
    resource = {"count": count, "instanceTypes": list(types), "labelSelector": selector}
    return acted(observed(workspace=workspace(metadata=held, resource=resource), options=by))


def only(seen: Observed) -> Claim:
    (claim,) = seen.claims
    return claim


def going(claim: Claim) -> Claim:
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    return claim.model_copy(update={"metadata": metadata})


def unlaunched(claim: Claim, reason: str = "AwaitingReconciliation", said: str = "") -> Claim:
    """A claim that Karpenter has taken up, and what it says of it."""
    return with_condition(claim, nodeclaim.LAUNCHED, "Unknown", said, reason=reason)


def vanished(seen: Observed, departures: Departures) -> Observed:
    """The look after next: nobody has looked while the claim was being deleted."""
    departures.changed(only(seen), None)
    return departures.completed(replace(seen, claims=()))


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen going", "gone at once"])
def test_the_next_type_is_asked_for_after_a_claim_that_was_never_launched(*, is_seen: bool) -> None:
    first, departures = asked(FIRST, SECOND), Departures(lambda: NOW)
    taken_up = replace(first, claims=(unlaunched(only(first)),))

    if is_seen:
        told = stored(replace(taken_up, claims=(going(only(taken_up)),)))
    else:
        told = stored(vanished(taken_up, departures))
    second = acted(departures.completed(replace(told, claims=())))

    (attempt,) = told.workspace.status.attempts
    assert (attempt.instance_type, attempt.reason) == (FIRST, NEVER_LAUNCHED)
    assert "deleted before its node was launched, as Karpenter does" in attempt.message
    assert "see the claim's Events" in attempt.message
    assert claim_type(only(second)) == SECOND
    assert claim_place(only(second)) == (0, 1)
    assert not verdict(plan(told)).stalled


@pytest.mark.parametrize("reason", ["LaunchFailed", "SubnetNotFound"])
def test_what_was_last_said_of_the_claim_is_kept(reason: str) -> None:
    first = asked(FIRST, SECOND)
    tried = unlaunched(only(first), reason, "no subnet has the tag gpu")

    told = stored(replace(first, claims=(going(tried),)))

    (attempt,) = told.workspace.status.attempts
    assert attempt.reason == NEVER_LAUNCHED
    assert "is not Launched: no subnet has the tag gpu" in attempt.message


def test_a_claim_that_was_launched_is_followed_by_one_of_its_type() -> None:
    first, departures = asked(FIRST, SECOND), Departures(lambda: NOW)
    launched = replace(first, claims=(with_condition(only(first), nodeclaim.LAUNCHED, "True"),))

    told = stored(replace(launched, claims=(going(only(launched)),)))
    again = acted(replace(told, claims=()))

    assert [one.reason for one in told.workspace.status.attempts] == [CLAIM_DELETED]
    assert claim_type(only(again)) == FIRST
    assert vanished(launched, departures).claims == ()


def test_a_machine_that_somebody_deletes_costs_no_type() -> None:
    first = asked(FIRST, SECOND, by=Options(registry=""))

    told = stored(replace(first, claims=(going(only(first)),)))

    (attempt,) = told.workspace.status.attempts
    assert attempt.reason == CLAIM_DELETED
    assert attempt.message.endswith("the claim was deleted before its node was launched")
    assert claim_type(only(acted(replace(told, claims=())))) == FIRST


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen going", "gone at once"])
def test_a_claim_that_we_gave_back_for_a_node_of_the_users_costs_no_type(*, is_seen: bool) -> None:
    first, departures = asked(FIRST, SECOND), Departures(lambda: NOW)
    brought = replace(first, nodes=(node({"apps": "phi"}, name="mine"),))
    used = first.workspace.status.model_copy(update={"worker_nodes": ("mine",)})
    served = replace(brought, workspace=first.workspace.model_copy(update={"status": used}))

    assert [type(one) for one in ensure_claims(departures.completed(served)).actions] == [Delete]
    lost = replace(served, claims=(going(only(served)),) if is_seen else (), nodes=())
    if not is_seen:
        departures.changed(only(first), None)
    told = stored(departures.completed(lost))

    assert [one.reason for one in told.workspace.status.attempts] == [CLAIM_DELETED]
    again = acted(departures.completed(replace(told, claims=())))
    assert claim_type(only(again)) == FIRST
    assert departures.completed(replace(again, claims=())).given_back == frozenset()


def refuse_every_claim(seen: Observed) -> Iterator[tuple[Observed, float]]:
    """A look after each claim that is gone before anybody has looked, and the pause after it."""
    clock = [NOW]
    departures = Departures(lambda: clock[0])
    while True:
        told = stored(replace(vanished(seen, departures), now=clock[0]))
        seen = stored(departures.completed(replace(told, claims=())))
        pause = 0.0 if acted(seen).claims else ensure_claims(seen).recheck_seconds
        assert pause is not None
        yield seen, pause
        clock[0] += timedelta(seconds=pause)
        seen = acted(replace(seen, now=clock[0]))


def types_of(seen: Observed) -> list[str]:
    """The types that the status says were tried, the first one first."""
    return [one.instance_type for one in seen.workspace.status.attempts]


def test_a_type_that_is_refused_is_asked_for_again_after_longer_and_longer_pauses() -> None:
    looks = list(islice(refuse_every_claim(asked(FIRST)), 6))

    assert [pause for _, pause in looks] == [10, 60, 300, 900, 900, 900]
    assert [verdict(plan(seen)).stalled for seen, _ in looks] == [False] * 3 + [True] * 3
    first, _ = looks[0]
    message = verdict(plan(first)).message
    assert "or no NodeClass that is ready: see the claim's Events" in message
    assert message.endswith("Standard_X is asked for again at 2026-01-01T00:00:10Z")


def test_types_that_are_refused_take_turns_and_each_round_is_followed_by_a_pause() -> None:
    looks = list(islice(refuse_every_claim(asked(FIRST, SECOND)), 5))

    assert [pause for _, pause in looks] == [0, 10, 0, 60, 0]
    assert types_of(looks[-1][0]) == [FIRST, SECOND, FIRST, SECOND, FIRST]


def test_of_claims_that_are_refused_without_end_the_last_four_are_remembered() -> None:
    *_, (last, _) = islice(refuse_every_claim(asked(FIRST)), 9)

    assert [one.attempt for one in last.workspace.status.attempts] == [5, 6, 7, 8]


def test_a_type_that_says_itself_that_it_cannot_be_had_takes_turns_with_one_that_does_not() -> None:
    first = asked(FIRST, SECOND)
    second = acted(replace(stored(replace(first, claims=(going(only(first)),))), claims=()))
    short = with_condition(
        only(second), nodeclaim.LAUNCHED, "False", "none left", reason="InsufficientCapacity"
    )
    third = acted(replace(stored(replace(second, claims=(going(short),))), claims=(), now=LATER))
    told = stored(replace(third, claims=(going(only(third)),)))

    assert types_of(told) == [FIRST, SECOND, FIRST]
    assert claim_type(only(acted(replace(told, claims=())))) == SECOND


def test_a_node_that_may_be_asked_for_waits_for_no_other() -> None:
    both = asked(FIRST, count=2)
    refused, launched = both.claims
    told = stored(replace(both, claims=(going(refused), launched)))
    running = with_condition(launched, nodeclaim.LAUNCHED, "True")
    lost = stored(replace(told, claims=(going(running),)))

    again = acted(replace(lost, claims=()))

    assert claim_place(only(again)) == (1, 1)
    message = verdict(plan(again)).message
    assert message.endswith("Standard_X is asked for again at 2026-01-01T00:00:10Z")


def test_refusals_of_before_the_model_answered_count_no_more() -> None:
    *_, (last, pause) = islice(refuse_every_claim(asked(FIRST)), 4)
    served = acted(replace(last, now=last.now + timedelta(seconds=pause)))
    kept_ones = kept(last.workspace.status.attempts)
    status = served.workspace.status.model_copy(update={"attempts": kept_ones})
    lost = replace(served, workspace=served.workspace.model_copy(update={"status": status}))

    (_, again), *_ = islice(refuse_every_claim(lost), 1)

    assert [(one.attempt, one.settled) for one in kept_ones] == [(3, True)]
    assert again == 10


def test_a_node_that_is_lost_later_is_replaced_at_once() -> None:
    (refused, pause), *_ = islice(refuse_every_claim(asked(FIRST)), 1)
    served = acted(replace(refused, now=NOW + timedelta(seconds=pause)))
    launched = with_condition(only(served), nodeclaim.LAUNCHED, "True")
    later = replace(served, now=NOW + timedelta(hours=1), claims=(going(launched),))

    told = stored(later)

    assert [one.reason for one in told.workspace.status.attempts] == [NEVER_LAUNCHED, CLAIM_DELETED]
    assert claim_place(only(acted(replace(told, claims=())))) == (0, 2)


def test_a_refusal_that_is_stamped_with_a_time_to_come_makes_nobody_wait() -> None:
    refused, pause = next(refuse_every_claim(asked(FIRST)))

    before = replace(refused, now=NOW - timedelta(hours=1))

    assert pause == 10
    assert claim_place(only(acted(before))) == (0, 1)


def test_a_type_that_the_selector_rules_out_is_never_its_turn() -> None:
    first = asked(FIRST, SECOND)
    selector = first.workspace.resource.label_selector
    carried = {**selector.match_labels, labels.INSTANCE_TYPE: FIRST}
    narrow = first.workspace.resource.model_copy(
        update={"label_selector": selector.model_copy(update={"match_labels": carried})}
    )
    seen = replace(first, workspace=first.workspace.model_copy(update={"resource": narrow}))

    looks = list(islice(refuse_every_claim(seen), 3))

    assert [pause for _, pause in looks] == [10, 60, 300]
    assert types_of(looks[-1][0]) == [FIRST] * 3


def test_a_replica_that_stands_by_takes_no_claim_that_its_leader_deletes_for_refused() -> None:
    def stands_by() -> None:
        raise NotLeading

    guards = [stands_by]
    first, departures = asked(FIRST, SECOND), Departures(lambda: NOW, lambda: guards[-1]())
    departures.changed(only(first), None)
    guards.append(lambda: None)

    leading = departures.completed(replace(first, claims=()))

    assert leading.claims == ()
    assert claim_type(only(acted(leading))) == FIRST
    assert vanished(first, departures).claims != (), "it leads now"


def test_nothing_is_asked_for_before_it_is_on_record_however_often_one_looks() -> None:
    first, departures = asked(FIRST), Departures(lambda: NOW)
    once = vanished(first, departures)
    again = departures.completed(replace(first, claims=()))

    for seen in (once, again):
        assert ensure_claims(seen).actions == ()
        assert ensure_claims(seen).failed != ()
    assert departures.completed(replace(stored(again), claims=())).claims == ()


def test_one_that_was_made_again_takes_the_place_of_the_one_that_vanished() -> None:
    first, departures = asked(FIRST), Departures(lambda: NOW)
    departures.changed(only(first), None)

    assert departures.completed(first).claims == first.claims
    assert departures.completed(replace(first, claims=())).claims == (), "it is forgotten"


def test_one_that_nobody_misses_is_forgotten() -> None:
    first, departures = asked(FIRST), Departures(lambda: NOW)
    alone = replace(first, claims=())
    brought = replace(alone, nodes=(node({"apps": "phi"}, name="mine"),))

    for unconcerned in (brought, deleting(alone), other_namesake(alone)):
        departures.changed(only(first), None)
        assert departures.completed(unconcerned) == unconcerned
        assert departures.completed(alone).claims == ()
    departures.changed(only(first), None)
    departures.forget(Ref("default", "w"))
    assert departures.completed(alone).claims == ()


def other_namesake(seen: Observed) -> Observed:
    """The same look at a workspace that has followed one of its name."""
    metadata = seen.workspace.metadata.model_copy(update={"uid": "another"})
    return replace(seen, workspace=seen.workspace.model_copy(update={"metadata": metadata}))


def test_a_change_of_a_claim_is_no_departure() -> None:
    first, departures = asked(FIRST), Departures(lambda: NOW)

    departures.changed(None, only(first))
    departures.changed(only(first), going(only(first)))

    assert departures.completed(replace(first, claims=())).claims == ()


def test_an_old_departure_is_forgotten_as_on_a_replica_that_stood_by() -> None:
    moment = [NOW]
    first, departures = asked(FIRST), Departures(lambda: moment[0])
    departures.changed(only(first), None)
    alone = replace(first, claims=())

    moment[0] = NOW + timedelta(minutes=9)
    assert departures.completed(alone).claims != ()
    moment[0] = NOW + timedelta(minutes=10)
    assert departures.completed(alone).claims == ()


def test_of_more_workspaces_than_can_be_remembered_the_latest_are() -> None:
    first, departures = asked(FIRST), Departures(lambda: NOW)
    departures.changed(only(first), None)
    carried = only(first).metadata.labels
    for number in range(1000):
        others = {**carried, labels.WORKSPACE: f"other-{number}"}
        metadata = only(first).metadata.model_copy(update={"labels": others})
        departures.changed(only(first).model_copy(update={"metadata": metadata}), None)

    assert departures.completed(replace(first, claims=())).claims == ()


def test_a_reason_of_a_provisioners_own_is_told_while_the_launch_is_tried_again() -> None:
    first = asked(FIRST)
    said = "no subnet has the tag gpu"

    whole = verdict(plan(replace(first, claims=(unlaunched(only(first), "SubnetNotFound", said),))))

    assert said in whole.message
    assert not whole.stalled


async def watched(bench: Bench) -> Claim:
    """A claim that nobody has launched, and that an informer like the operator's misses by now."""
    informer = Informer(bench.client, MACHINES, selection=Selection(labels=labels.WORKSPACE))
    informer.on_change(bench.departures.changed)
    bench.put_workspace()
    await bench.settle()
    claim = machine.Machine.model_validate(bench.stored(bench.claim_path))
    informer.changed(claim)
    informer.removed(claim.ref)
    return claim


async def test_a_claim_that_has_lost_its_label_is_not_followed_by_another(bench: Bench) -> None:
    claim = await watched(bench)
    carried = dict(claim.metadata.labels)
    del carried[labels.WORKSPACE]
    bench.change_metadata(bench.claim_path, labels=carried)

    for _ in range(3):
        await bench.reconcile()

    (condition,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    assert condition.reason == "LabelsLost"
    assert bench.workspace.status.attempts == ()
    assert bench.claim_path == f"{CLAIMS}/{claim.metadata.name}"


async def test_a_claim_that_is_gone_indeed_is_put_on_record_and_followed(bench: Bench) -> None:
    claim = await watched(bench)
    bench.api.remove(bench.claim_path)

    await bench.settle()

    (attempt,) = bench.workspace.status.attempts
    assert attempt.reason == CLAIM_DELETED
    assert bench.claim_path != f"{CLAIMS}/{claim.metadata.name}"
