"""Claims that keep a place which nobody else is given, and places that keep no other waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.api import labels, machine
from kaito.api.reasons import Reason
from kaito.api.workspace import Attempt
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Create, Delete
from kaito.nodes.claim import Claim, claim_place
from tests.unit.controllers.workspace.worlds import (
    NOW,
    acted,
    node,
    observed,
    stored,
    with_condition,
    workspace,
)

NODE_CLAIMS = Options(registry="", node_class="karpenter.azure.com/AKSNodeClass/gpu")
BUYS_NONE = Options(registry="", node_class=None)
KINDS = ["same", "other Kind", "none is bought"]
SCHEMA_LONGEST = 32768


def stripped(seen: Observed) -> Observed:
    """The same claims, without the label by which they are found."""
    return replace(seen, claims=(), stripped=seen.claims)


def going(claim: Claim) -> Claim:
    """A claim that is being deleted."""
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    return claim.model_copy(update={"metadata": metadata})


def unplaced(seen: Observed) -> Observed:
    """The same claims, without the annotation that says which node each is for."""
    claims = []
    for claim in seen.claims:
        said = {**claim.metadata.annotations}
        del said[labels.CLAIM_PLACE]
        metadata = claim.metadata.model_copy(update={"annotations": said})
        claims.append(claim.model_copy(update={"metadata": metadata}))
    return replace(seen, claims=tuple(claims))


def ended(ordinal: int, attempt: int, reason: str = "LaunchTimedOut") -> Attempt:
    return Attempt(
        ordinal=ordinal,
        attempt=attempt,
        instance_type="Standard_X",
        reason=reason,
        message="it came to nothing",
        finished_at=NOW,
    )


def tried(seen: Observed, *attempts: Attempt) -> Observed:
    """The same workspace, whose status tells of these claims."""
    found = seen.workspace.status.model_copy(update={"attempts": attempts})
    return replace(seen, workspace=seen.workspace.model_copy(update={"status": found}))


def of_two() -> Observed:
    selector = {"matchLabels": {"apps": "phi"}}
    resource = {"count": 2, "instanceType": "Standard_X", "labelSelector": selector}
    metadata = observed().workspace.metadata.model_dump(by_alias=True)
    return observed(workspace=workspace(metadata=metadata, resource=resource))


@pytest.mark.parametrize("options", [Options(registry=""), NODE_CLAIMS, BUYS_NONE], ids=KINDS)
@pytest.mark.parametrize("attempts", [(), (ended(0, 7),)], ids=["first", "later on record"])
def test_nothing_is_made_beside_a_claim_that_has_lost_its_label(
    options: Options, attempts: tuple[Attempt, ...]
) -> None:
    lost = tried(replace(stripped(acted(observed())), options=options), *attempts)

    step = ensure_claims(lost)

    assert (step.satisfied, step.reason, step.actions) == (False, Reason.LABELS_LOST, ())
    (claim,) = lost.stripped
    assert f"label --overwrite machines.karpenter.sh {claim.metadata.name}" in step.message


def test_a_claim_that_does_not_say_which_node_it_is_for_is_kept() -> None:
    seen = unplaced(acted(observed()))

    assert ensure_claims(tried(seen, ended(-1, 0, "NodeLost"))) == ensure_claims(seen)
    assert ensure_claims(seen).actions == ()


def test_one_of_those_that_somebody_deletes_is_waited_for_and_not_put_on_record() -> None:
    seen = unplaced(acted(observed()))

    step = ensure_claims(replace(seen, claims=tuple(map(going, seen.claims))))

    assert (step.reason, step.actions, step.failed) == (Reason.REPLACING_MACHINES, (), ())
    assert [claim_place(one) for one in acted(replace(seen, claims=())).claims] == [(0, 0)]


def test_what_is_missing_beside_it_is_made() -> None:
    both = acted(of_two())
    first, _ = both.claims

    made = acted(replace(both, claims=(), stripped=(first,)))

    assert [claim_place(one) for one in made.claims] == [(1, 0)]


def test_one_that_came_to_nothing_is_given_back_before_another_is_made() -> None:
    asked = acted(observed())
    (claim,) = asked.claims
    overdue = with_condition(claim, machine.LAUNCHED, "False", "too late", reason="LaunchTimedOut")
    lost = stripped(stored(replace(asked, claims=(overdue,))))

    assert [type(action) for action in ensure_claims(lost).actions] == [Delete]
    waits = ensure_claims(replace(lost, stripped=tuple(map(going, lost.stripped))))
    assert (waits.reason, waits.actions) == (Reason.REPLACING_MACHINES, ())
    assert [claim_place(one) for one in acted(replace(lost, stripped=())).claims] == [(0, 1)]


def test_one_that_somebody_deletes_meanwhile_is_waited_for() -> None:
    asked = acted(observed())

    step = ensure_claims(replace(asked, claims=(), stripped=tuple(map(going, asked.claims))))

    assert (step.reason, step.actions) == (Reason.REPLACING_MACHINES, ())
    assert asked.claims[0].metadata.name in step.message


@pytest.mark.parametrize("ordinal", [0, 1])
def test_a_node_that_was_given_up_keeps_no_other_from_being_asked_for(ordinal: int) -> None:
    other = 1 - ordinal
    attempts = (*(ended(ordinal, number) for number in range(4)), ended(other, 0))
    helped = replace(tried(of_two(), *attempts), nodes=(node({"apps": "phi"}, name="mine"),))

    (create,) = ensure_claims(helped).actions

    assert isinstance(create, Create)
    assert [claim_place(one) for one in acted(helped).claims] == [(other, 1)]


def test_a_status_of_a_hundred_claims_that_say_much_can_be_stored() -> None:
    many = of_two().workspace.resource.model_copy(
        update={"count": 100, "instance_types": ("Standard_X", "Standard_Y")}
    )
    seen = observed()
    asked = acted(replace(seen, workspace=seen.workspace.model_copy(update={"resource": many})))
    failed = tuple(
        with_condition(
            claim,
            machine.LAUNCHED,
            "False",
            f"{claim.metadata.name} {'x' * 30000}",
            reason="QuotaExceeded",
        )
        for claim in asked.claims
    )
    full = replace(asked, claims=failed)

    found = status(full, plan(full))

    assert len(found.attempts) == len(failed) == 100
    assert max(len(one.message) for one in found.conditions) < SCHEMA_LONGEST
    assert len(found.model_dump_json()) < 1_000_000, "etcd takes a million and a half"
    assert (
        max(len(one.message) for one in status(tried(full, *found.attempts), plan(full)).conditions)
        < SCHEMA_LONGEST
    )


def test_of_many_claims_the_first_few_are_named() -> None:
    asked = acted(of_two())
    four = of_two().workspace.resource.model_copy(update={"count": 8})
    eight = acted(
        replace(asked, claims=(), workspace=asked.workspace.model_copy(update={"resource": four}))
    )

    message = ensure_claims(eight).message

    assert message.count(" waits for MachineLaunched") == 5
    assert message.endswith("; and 3 more")
