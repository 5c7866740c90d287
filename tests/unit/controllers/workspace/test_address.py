"""When the Service is made: beside all else, unless it cannot come up or its nodes must tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kaito.api.labels import CREATED_FOR
from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.address import AddressReconciler, early_address
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import verdict
from kaito.controllers.workspace.step import Create
from kaito.kube.errors import Unavailable
from kaito.kube.kinds import SERVICES
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource
from tests.unit.controllers.workspace import group
from tests.unit.controllers.workspace.adapters import LEGAL, adapted
from tests.unit.controllers.workspace.bench import CLAIMS, REF, SERVICE, Bench
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    acted,
    deleting,
    node,
    observed,
    stored,
    workspace,
)
from tests.unit.kube.apiserver import refusal
from tests.unit.workloads.wire import at

AT = "/api/v1/namespaces/default/services"
OF_ITS_OWN = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}


def created(seen: Observed) -> list[str]:
    """Kinds of what a plan creates, in order."""
    actions = (action for step in plan(seen) for action in step.actions)
    return [action.resource.kind for action in actions if isinstance(action, Create)]


def addressed(seen: Observed) -> list[str]:
    """Names of the Services that are made early."""
    step = early_address(seen)
    actions = step.actions if step else ()
    manifests = [action.manifest for action in actions if isinstance(action, Create)]
    return [str(at(manifest, "metadata", "name")) for manifest in manifests]


def looked_at(subject: Workspace) -> Observed:
    """A look at a workspace that has just been created."""
    return replace(observed(), workspace=subject)


def stalled(seen: Observed, *, generation: int) -> Observed:
    """The same look, where a generation is said to come to nothing."""
    said = {"type": "Stalled", "status": "True", "reason": "x", "observedGeneration": generation}
    subject = seen.workspace.model_dump(mode="json", by_alias=True, exclude_none=True)
    return looked_at(Workspace.model_validate({**subject, "status": {"conditions": [said]}}))


def test_a_service_is_due_as_soon_as_a_spec_is_accepted_and_not_by_the_plan() -> None:
    begun = observed()

    assert addressed(begun) == ["w"]
    assert created(begun) == ["Machine"]
    assert created(acted(begun)) == []


def test_a_service_that_is_there_is_not_made_again() -> None:
    with_service = replace(observed(), service=group.services()["service"])

    assert addressed(with_service) == []


@pytest.mark.parametrize(
    "seen",
    [
        deleting(observed()),
        looked_at(workspace(inference={"preset": {"name": "unheard-of"}})),
        looked_at(adapted(LEGAL)),
        looked_at(workspace(inference=OF_ITS_OWN)),
        group.seen(nodes=()),
        stalled(observed(), generation=1),
    ],
    ids=["goes", "refused", "adapters unseen", "a template", "may be a group", "stalled"],
)
def test_a_workspace_that_cannot_come_up_yet_or_brings_its_own_is_given_no_address(
    seen: Observed,
) -> None:
    assert addressed(seen) == []


def test_a_change_of_what_was_stalled_has_an_address_made() -> None:
    assert addressed(stalled(observed(), generation=0)) == ["w"]


def ready_node() -> Observed:
    """A look at a workspace whose nodes are there."""
    return observed(nodes=(node({"apps": "phi"}, name="n1"),))


def test_an_address_that_is_being_made_is_not_asked_for_twice_and_holds_nothing_up() -> None:
    seen = ready_node()

    assert created(seen) == ["Service", "Deployment"]
    assert created(replace(seen, is_addressed=True)) == ["Deployment"]


def test_a_workspace_is_not_ready_before_its_address_is_there_and_nobody_is_told_so_early() -> None:
    seen = replace(acted(ready_node()), service=None, is_addressed=True)

    steps = plan(stored(seen))
    assert not verdict(steps).ready
    assert verdict(steps).reason is Reason.APPLYING
    assert [step.told for step in steps if step.reason is Reason.APPLYING] == [False]


def test_services_of_a_group_are_made_by_the_plan_alone() -> None:
    grouped = replace(group.seen(), is_addressed=True)

    assert created(grouped)[:2] == ["Service", "Service"]


def addressing(
    bench: Bench,
    leave: Callable[[Ref], None],
    *,
    without: Resource[KubeObject] | None = None,
) -> AddressReconciler:
    """The reconciler of addresses, over caches that are up to date except for one kind."""
    return AddressReconciler(
        stores=bench.caches(without),
        client=bench.client,
        catalog=CATALOG,
        options=Options(registry=""),
        now=lambda: bench.now,
        leave=leave,
    )


async def test_the_service_of_a_new_workspace_is_made_with_one_request(bench: Bench) -> None:
    bench.put_workspace()
    left: list[Ref] = []

    await addressing(bench, left.append).reconcile(REF)

    assert [(seen.method, seen.path) for seen in bench.api.seen] == [("POST", AT)]
    owner: Any = bench.stored(SERVICE)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == bench.workspace.metadata.uid
    assert left == []


async def test_what_has_a_service_or_needs_none_is_not_even_looked_at(bench: Bench) -> None:
    bench.put_workspace(inference=OF_ITS_OWN)
    assert addressing(bench, print).due((REF,)) == ()

    bench.put_workspace()
    assert addressing(bench, print).due((REF,)) == (REF,)

    await addressing(bench, print).reconcile(REF)
    assert addressing(bench, print).due((REF,)) == ()
    assert addressing(bench, print).due((Ref("default", "gone"),)) == ()


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (422, "Invalid")])
async def test_what_is_refused_is_left_to_the_workspace_which_tells_of_it(
    bench: Bench, code: int, reason: str
) -> None:
    bench.put_workspace()
    bench.api.instead.append(refusal(code, reason))
    left: list[Ref] = []

    await addressing(bench, left.append).reconcile(REF)

    assert left == [REF]


async def test_what_fails_is_left_and_tried_again(bench: Bench) -> None:
    bench.put_workspace()
    bench.api.instead.append(refusal(500, "InternalError"))
    left: list[Ref] = []

    with pytest.raises(Unavailable):
        await addressing(bench, left.append).reconcile(REF)

    assert left == [REF]


async def test_a_stranger_s_service_is_left_and_not_written_to(bench: Bench) -> None:
    bench.put_workspace()
    bench.api.put(SERVICE, metadata={"name": "w", "namespace": "default", "uid": "theirs"})
    left: list[Ref] = []

    await addressing(bench, left.append, without=SERVICES).reconcile(REF)

    assert left == [REF]
    assert {seen.method for seen in bench.api.seen} == {"POST", "GET"}


async def test_what_is_not_due_is_left_without_a_request(bench: Bench) -> None:
    bench.put_workspace(inference={"preset": {"name": "unheard-of"}})
    left: list[Ref] = []

    await addressing(bench, left.append).reconcile(REF)

    assert bench.api.seen == []
    assert left == [REF]


async def test_a_workspace_waits_for_an_address_under_way_and_makes_one_that_is_left(
    bench: Bench,
) -> None:
    bench.put_workspace()
    await bench.settle()
    bench.bring_node()
    busy = True
    await bench.reconcile(is_addressed=lambda _: busy)
    await bench.reconcile(is_addressed=lambda _: busy)
    assert bench.sent("POST", AT) == []

    busy = False
    await bench.reconcile(is_addressed=lambda _: busy)
    assert len(bench.sent("POST", AT)) == 1


async def test_whether_an_address_is_under_way_belongs_to_the_same_look_as_the_rest(
    bench: Bench,
) -> None:
    bench.put_workspace()
    await bench.settle()
    bench.bring_node()
    of = {"kaito.sh/workspace": "w", "kaito.sh/workspacenamespace": "default"}
    left = {"name": "old", "uid": "old", "labels": {**of, CREATED_FOR: "a-namesake"}}
    bench.api.put(f"{CLAIMS}/old", metadata=left)
    sent = len(bench.api.seen)

    await bench.reconcile(is_addressed=lambda _: len(bench.api.seen) == sent)

    assert bench.sent("DELETE", f"{CLAIMS}/old")
    assert bench.sent("POST", AT) == []
