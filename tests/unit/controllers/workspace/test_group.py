"""A model that several nodes serve together: a StatefulSet, and the Services that it needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.api.reasons import Reason
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.release import release_workload
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Apply, Create, Delete
from kaito.controllers.workspace.workload import (
    ensure_service,
    ensure_workload,
    wanted_workload,
)
from kaito.kube.kinds import DEPLOYMENTS, STATEFULSETS, Deployment, Service, StatefulSet
from tests.unit.controllers.workspace.group import seen, services
from tests.unit.controllers.workspace.worlds import (
    NOW,
    deleting,
    node,
    observed,
)
from tests.unit.workloads.wire import at


def made(**numbers: int) -> StatefulSet:
    """The StatefulSet as it is wanted, with a status."""
    found = StatefulSet.model_validate({**wanted_workload(seen()), "status": numbers})
    return found.model_copy(
        update={"metadata": found.metadata.model_copy(update={"generation": 1})}
    )


READY = {
    "observedGeneration": 1,
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "availableReplicas": 2,
}


def test_both_services_are_made_before_any_pod() -> None:
    step = ensure_service(seen())

    assert not step.satisfied
    created = [one for one in step.actions if isinstance(one, Create)]
    assert [at(one.manifest, "metadata", "name") for one in created] == ["w-headless", "w"]
    assert step.message == "creating Service w-headless, w"


@pytest.mark.parametrize(("lost", "name"), [("headless", "w-headless"), ("service", "w")])
def test_a_service_that_somebody_deletes_is_made_anew(lost: str, name: str) -> None:
    step = ensure_service(seen(**{**services(), lost: None}))

    (create,) = step.actions
    assert isinstance(create, Create)
    assert at(create.manifest, "metadata", "name") == name


@pytest.mark.parametrize("which", ["headless", "service"])
@pytest.mark.parametrize("is_narrower", [False, True], ids=["other pods", "fewer pods"])
def test_a_service_that_somebody_changes_is_mended(which: str, *, is_narrower: bool) -> None:
    found = services()
    wanted = found[which].spec.selector
    selector = {**wanted, "version": "v2"} if is_narrower else {"kaito.sh/workspace": "other"}
    spec = found[which].spec.model_copy(update={"selector": selector})
    changed = {**found, which: found[which].model_copy(update={"spec": spec})}

    step = ensure_service(seen(**changed))

    assert step.satisfied
    (apply,) = step.actions
    assert isinstance(apply, Apply)
    assert apply.seen == changed[which]
    assert ensure_service(seen(**found)).actions == ()


def squatting(name: str, **carried: str) -> Service:
    """A Service that somebody else has made."""
    metadata = {"name": name, "namespace": "default", "uid": "theirs", "labels": carried}
    return Service.model_validate({"metadata": metadata})


@pytest.mark.parametrize("name", ["w", "w-headless"])
def test_a_name_that_somebody_else_has_is_told_before_a_node_is_bought(name: str) -> None:
    told = plan(seen(nodes=(), strangers=(squatting(name),)))[-1]

    assert (told.satisfied, told.reason, told.actions) == (False, Reason.NAME_TAKEN, ())
    assert told.message.startswith(f"Service {name} exists and belongs to somebody else")


def test_one_that_serves_alone_does_not_want_the_headless_name() -> None:
    alone = observed(strangers=(squatting("w-headless"),))

    assert all(step.reason != Reason.NAME_TAKEN for step in plan(alone))


def test_the_stateful_set_is_created() -> None:
    (create,) = ensure_workload(seen()).actions

    assert isinstance(create, Create)
    assert create.resource is STATEFULSETS
    assert at(create.manifest, "spec", "replicas") == 2


@pytest.mark.parametrize(("ready", "satisfied"), [(0, False), (1, False), (2, True)])
def test_it_serves_only_when_every_pod_is_ready(ready: int, *, satisfied: bool) -> None:
    step = ensure_workload(
        seen(stateful_set=made(**{**READY, "readyReplicas": ready, "availableReplicas": ready}))
    )

    assert step.satisfied is satisfied
    if not satisfied:
        assert step.message == f"{ready} of 2 pods are ready"


@pytest.mark.parametrize(("seconds", "refused"), [(1, False), (60, True)])
def test_a_stateful_set_that_makes_no_pods_says_where_to_look(
    seconds: int, *, refused: bool
) -> None:
    found = made(observedGeneration=1, replicas=0)
    since = NOW - timedelta(seconds=seconds)
    metadata = found.metadata.model_copy(update={"creation_timestamp": since})

    step = ensure_workload(seen(stateful_set=found.model_copy(update={"metadata": metadata})))

    assert (step.reason is Reason.PODS_REFUSED) is refused
    assert ("kubectl describe statefulset w" in step.message) is refused
    assert step.recheck_seconds == (None if refused else 9)


def test_a_stateful_set_whose_events_say_why_it_makes_no_pods_says_that() -> None:
    found = made(observedGeneration=1, replicas=0)
    metadata = found.metadata.model_copy(update={"creation_timestamp": NOW - timedelta(seconds=60)})
    podless = found.model_copy(update={"metadata": metadata})

    step = ensure_workload(seen(stateful_set=podless, complaints={"w": "exceeded quota: none"}))

    assert step.reason is Reason.PODS_REFUSED
    assert step.message.endswith("the API server refuses the pods: exceeded quota: none")


def test_that_it_serves_is_not_kept_while_an_earlier_stage_is_not_done() -> None:
    serving = seen(stateful_set=made(**READY), **services())
    up = status(serving, (ensure_workload(serving),))
    subject = serving.workspace.model_copy(update={"status": up})
    lost = replace(
        serving,
        workspace=subject,
        stateful_set=made(**{**READY, "readyReplicas": 1, "availableReplicas": 1}),
    )

    found = {one.type: one.status for one in status(lost, ()).conditions}

    assert {one.type: one.status for one in up.conditions}["InferenceReady"] == "True"
    assert found["InferenceReady"] == "False"


def test_a_deployment_gives_way_to_the_stateful_set() -> None:
    former = Deployment.model_validate({"metadata": {"name": "w", "uid": "d"}})

    step = ensure_workload(seen(deployment=former))

    assert step.reason is Reason.APPLYING
    assert step.actions == (Delete(DEPLOYMENTS, former),)


def test_a_stateful_set_gives_way_to_a_deployment() -> None:
    former = StatefulSet.model_validate({"metadata": {"name": "w", "uid": "s"}})
    alone = observed(nodes=(node({"apps": "phi"}, name="n1"),), stateful_set=former)

    assert ensure_workload(alone).actions == (Delete(STATEFULSETS, former),)


def test_on_deletion_the_stateful_set_goes_before_the_nodes() -> None:
    step = release_workload(deleting(seen(stateful_set=made())))

    assert not step.satisfied
    assert step.actions == (Delete(STATEFULSETS, made()),)


GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
FORMER = Deployment.model_validate({"metadata": {"name": "w", "uid": "d"}})
GOING_FORMER = Deployment.model_validate({"metadata": {"name": "w", "uid": "d", **GOING}})


def worlds() -> list[Observed]:
    """Every mixture of what may be there of a group."""
    found = services()
    old = made(**READY)
    old = old.model_copy(update={"metadata": old.metadata.model_copy(update={"annotations": {}})})
    return [
        seen(headless=headless, service=service, deployment=deployment, stateful_set=stateful_set)
        for headless in (None, found["headless"])
        for service in (None, found["service"])
        for deployment in (None, FORMER, GOING_FORMER)
        for stateful_set in (
            None,
            old,
            made(),
            made(**{**READY, "readyReplicas": 1, "availableReplicas": 1}),
            made(**READY),
        )
    ]


def after(here: Observed, action: object) -> Observed:
    """The world once an action is carried out."""
    if isinstance(action, Delete):
        gone = action.resource is DEPLOYMENTS
        return replace(here, deployment=None) if gone else replace(here, stateful_set=None)
    assert isinstance(action, Create | Apply)
    if action.resource is STATEFULSETS:
        return replace(here, stateful_set=made(**READY))
    service = Service.model_validate(action.manifest)
    if service.metadata.name == "w-headless":
        return replace(here, headless=service)
    return replace(here, service=service)


def is_answering(here: Observed) -> bool:
    """The goal, stated without asking the phases."""
    return bool(
        here.headless
        and here.service
        and here.deployment is None
        and here.stateful_set
        and here.stateful_set.metadata.annotations
        and here.stateful_set.status.ready_replicas == 2
    )


@pytest.mark.parametrize("here", worlds())
def test_every_mixture_ends_with_a_group_that_answers(here: Observed) -> None:
    for _ in range(8):
        steps = [ensure_service(here)]
        steps += [ensure_workload(here)] if steps[0].satisfied else []
        assert all(step.satisfied for step in steps) == (
            is_answering(here) if len(steps) == 2 else False
        )
        actions = [action for step in steps for action in step.actions]
        pods = [one for one in actions if isinstance(one, Create) and one.resource is STATEFULSETS]
        assert not (pods and here.deployment), "two workloads would want the same GPUs"
        for action in actions:
            here = after(here, action)
        if not actions and here.deployment:
            here = replace(here, deployment=None)
        elif not actions and here.stateful_set:
            here = replace(here, stateful_set=made(**READY))

    assert is_answering(here)
