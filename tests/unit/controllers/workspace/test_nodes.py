"""Nodes that come, go and come back: nothing is bought twice, nothing restarts for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from kaito.api import labels, machine
from kaito.api.machine import Machine
from kaito.api.reasons import WARNINGS, Reason
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.nodes import await_nodes, chosen_nodes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.release import release_workload
from kaito.controllers.workspace.workload import wanted_workload
from kaito.nodes.claim import rendered_claim
from tests.unit.controllers.workspace.worlds import (
    NOW,
    WISH,
    deleting,
    node,
    node_of,
    observed,
    pod_on,
    with_condition,
    workspace,
)

WANTED = {"apps": "phi"}


def using(*names: str) -> Observed:
    """A look at a workspace whose status names these nodes."""
    return observed(workspace=workspace(status={"workerNodes": list(names)}))


def own_claim() -> Machine:
    bought = Machine.model_validate(rendered_claim(workspace(), WISH))
    return with_condition(bought, machine.READY, "True")


def test_a_brought_node_that_misses_a_heartbeat_is_not_replaced() -> None:
    away = replace(using("mine"), nodes=(node(WANTED, name="mine", ready=False),))

    step = ensure_claims(away)

    assert step.satisfied
    assert step.actions == ()


def test_a_brought_node_that_is_gone_is_replaced() -> None:
    assert len(ensure_claims(using("mine")).actions) == 1


def test_a_node_that_turns_up_changes_nothing_for_a_workspace_that_serves() -> None:
    claim = own_claim()
    ours = node_of(claim)
    alone = replace(using(ours.metadata.name), claims=(claim,), nodes=(ours,))
    joined = replace(alone, nodes=(node(WANTED, name="a-new-one"), ours))

    assert ensure_claims(joined).satisfied
    assert chosen_nodes(joined) == (ours,)
    assert wanted_workload(joined) == wanted_workload(alone)


def test_a_gpu_that_is_unwell_does_not_change_the_pods() -> None:
    well = replace(using("mine"), nodes=(node(WANTED, name="mine", gpus=1),))
    unwell = replace(well, nodes=(node(WANTED, name="mine", gpus=0),))

    assert wanted_workload(unwell) == wanted_workload(well)


def test_a_pod_asks_for_as_many_gpus_as_its_node_says_that_it_has() -> None:
    brought = node(WANTED, name="mine", gpus=2)
    status = brought.status.model_copy(update={"capacity": {labels.GPU: "2"}})

    asked: Any = wanted_workload(
        observed(nodes=(brought.model_copy(update={"status": status}),)),
    )

    assert asked["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {
        labels.GPU: "2"
    }


def test_a_node_that_is_known_to_be_too_small_is_passed_over_where_no_type_is_named() -> None:
    choiceless = workspace(resource={"labelSelector": {"matchLabels": WANTED}})
    small = node({**WANTED, labels.GPU_COUNT: "1", labels.GPU_MEMORY: "4096"}, name="small")
    large = node({**WANTED, labels.GPU_COUNT: "1", labels.GPU_MEMORY: "49152"}, name="z-large")

    assert chosen_nodes(observed(workspace=choiceless, nodes=(small, large))) == (large,)


def test_a_node_that_another_workspace_uses_is_not_chosen() -> None:
    shared = observed(nodes=(node(WANTED, name="theirs"),), taken=frozenset({"theirs"}))

    assert chosen_nodes(shared) == ()
    assert len(ensure_claims(shared).actions) == 1


def test_pods_of_a_dead_node_do_not_hold_deletion_up() -> None:
    dead = node({labels.WORKSPACE: "w"}, name="n", ready=False)

    assert release_workload(deleting(observed(nodes=(dead,), pods=(pod_on("n"),)))).satisfied
    assert release_workload(deleting(observed(pods=(pod_on("vanished"),)))).satisfied


def test_pods_are_waited_for_until_their_grace_is_long_over() -> None:
    live = node({labels.WORKSPACE: "w"}, name="n")
    due = pod_on("n", deletionTimestamp=NOW)
    seen = deleting(observed(nodes=(live,), pods=(due,)))

    assert not release_workload(seen).satisfied
    assert release_workload(seen).recheck_seconds is not None
    assert release_workload(replace(seen, now=NOW + timedelta(seconds=31))).satisfied


def test_people_are_told_that_several_nodes_run_copies() -> None:
    selector = {"matchLabels": {"apps": "phi"}}
    two = workspace(resource={"instanceType": "Standard_X", "labelSelector": selector, "count": 2})
    nodes = tuple(node({"apps": "phi"}, name=name) for name in ("n1", "n2"))

    step = await_nodes(observed(workspace=two, nodes=nodes))

    assert step.satisfied
    assert step.message.startswith("2 of 2 nodes are ready: phi fits 1 node of Standard_X")
    assert step.message.endswith("; each of the 2 nodes runs a copy")


def selecting(key: str, value: str) -> Observed:
    """A look at a workspace that asks for a label more."""
    held = observed().workspace.metadata.model_dump(by_alias=True)
    selector = {"matchLabels": {**WANTED, key: value}}
    resource = {"instanceType": "Standard_X", "labelSelector": selector}
    return observed(workspace=workspace(metadata=held, resource=resource))


def test_no_node_is_bought_that_would_not_count() -> None:
    step = ensure_claims(selecting(labels.ARCH, "arm64"))

    assert (step.satisfied, step.actions, step.reason) == (False, (), Reason.INVALID_SPEC)
    assert "asks for kubernetes.io/arch=arm64, and a node that is bought has amd64" in step.message


def test_a_node_of_ones_own_may_have_what_a_bought_one_has_not() -> None:
    carried = {**WANTED, labels.ARCH: "arm64"}
    seen = replace(selecting(labels.ARCH, "arm64"), nodes=(node(carried, name="mine"),))

    assert ensure_claims(seen).satisfied
    assert await_nodes(seen).satisfied


def test_a_node_that_was_bought_and_does_not_count_is_told_with_the_label() -> None:
    seen = selecting(labels.ZONE, "there-1")
    bought = with_condition(
        Machine.model_validate(rendered_claim(seen.workspace, WISH)), machine.READY, "True"
    )
    elsewhere = node({**bought.metadata.labels, labels.ZONE: "here-1"}, name="n1")

    step = await_nodes(replace(seen, claims=(bought,), nodes=(elsewhere,)))

    assert step.reason in WARNINGS
    assert step.message.startswith(
        "0 of 1 nodes are ready and carry the selector's labels; node n1"
    )
    assert (
        "has topology.kubernetes.io/zone=here-1, and resource.labelSelector asks for there-1"
        in (step.message)
    )


def test_a_label_that_a_bought_node_has_not_been_given_yet_is_waited_for() -> None:
    seen = selecting("team", "a")
    bought = Machine.model_validate(rendered_claim(seen.workspace, WISH))
    carried = {key: value for key, value in bought.metadata.labels.items() if key != "team"}

    step = await_nodes(replace(seen, claims=(bought,), nodes=(node(carried, name="n1"),)))

    assert (step.satisfied, step.reason) == (False, Reason.NODES_NOT_READY)
