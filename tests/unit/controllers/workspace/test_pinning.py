"""Nodes that somebody brings: which are labelled, when the label goes, and what is sent for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.controllers.workspace.executor import Executor
from kaito.controllers.workspace.nodes import chosen_nodes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.pinning import drop_nodes, pin_nodes, rest_nodes, unpin_nodes
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.step import DeleteUnseen, Pin, ReleaseFinalizer, Step, Unpin
from kaito.kube.errors import Conflict
from kaito.kube.kinds import Node
from tests.unit.controllers.workspace.bench import CLAIMS, NODE, WORKSPACE, Bench
from tests.unit.controllers.workspace.worlds import (
    UID,
    deleting,
    node,
    observed,
    pod_on,
    workspace,
)
from tests.unit.kube.apiserver import refusal

FREE = {"apps": "phi"}
HELD = {"apps": "phi", labels.CREATED_FOR: UID}
BOUGHT = {**HELD, labels.WORKSPACE: "w"}


def wanting(count: int, *nodes: Node, preferred: tuple[str, ...] = ()) -> Observed:
    """A look at a workspace that wants so many of these nodes."""
    resource = {
        "count": count,
        "labelSelector": {"matchLabels": {"apps": "phi"}},
        "preferredNodes": list(preferred),
    }
    metadata = observed().workspace.metadata
    subject = workspace(resource=resource).model_copy(update={"metadata": metadata})
    return observed(workspace=subject, nodes=nodes)


def named(carried: dict[str, str], *names: str) -> tuple[Node, ...]:
    return tuple(node(carried, name=name) for name in names)


def done_to(step: Step) -> list[tuple[str, str]]:
    """What a step does, and to which node."""
    found = [action for action in step.actions if isinstance(action, Pin | Unpin)]
    assert len(found) == len(step.actions)
    return [(type(action).__name__, action.node.metadata.name) for action in found]


def test_chosen_nodes_are_labelled_in_the_order_of_their_names_and_no_others() -> None:
    seen = wanting(2, *named(FREE, "a", "b", "c", "d"), preferred=("d",))

    step = pin_nodes(seen)

    assert done_to(step) == [("Pin", "a"), ("Pin", "d")]
    assert {action.uid for action in step.actions if isinstance(action, Pin)} == {UID}
    assert step.satisfied


def test_what_is_labelled_already_is_not_labelled_again() -> None:
    assert pin_nodes(wanting(1, *named(HELD, "a"))).actions == ()
    assert pin_nodes(wanting(1, *named(BOUGHT, "a"))).actions == ()
    assert done_to(pin_nodes(wanting(2, *named(HELD, "a"), *named(FREE, "b")))) == [("Pin", "b")]


def test_nothing_is_labelled_before_the_set_is_complete() -> None:
    seen = wanting(2, *named(FREE, "a"))

    assert [type(action) for step in plan(seen) for action in step.actions].count(Pin) == 0


def test_a_workload_follows_its_label_in_the_same_pass() -> None:
    kinds = [
        type(action).__name__
        for step in plan(wanting(1, *named(FREE, "a")))
        for action in step.actions
    ]

    assert "Pin" in kinds
    assert kinds.index("Pin") < kinds.index("Create")


def test_a_node_that_is_no_longer_of_the_set_is_given_back_once_no_pod_is_there() -> None:
    former = node({labels.CREATED_FOR: UID, "apps": "other"}, name="former")
    seen = wanting(1, *named(HELD, "mine"), former)
    ended = pod_on("former").model_copy(
        update={"status": pod_on("former").status.model_copy(update={"phase": "Succeeded"})}
    )

    assert done_to(drop_nodes(seen)) == [("Unpin", "former")]
    assert done_to(drop_nodes(replace(seen, pods=(ended,)))) == [("Unpin", "former")]
    assert drop_nodes(replace(seen, pods=(pod_on("former"),))).actions == ()
    assert pin_nodes(seen).actions == ()


def test_a_node_is_given_back_even_where_nothing_takes_its_place() -> None:
    handed_over = node({labels.CREATED_FOR: UID, "apps": "other"}, name="n")

    found = [action for step in plan(wanting(2, handed_over)) for action in step.actions]

    assert [action.node.metadata.name for action in found if isinstance(action, Unpin)] == ["n"]


def test_a_tuning_that_is_done_gives_its_node_back_once_its_pod_has_gone() -> None:
    seen = wanting(1, *named(HELD, "n"))

    assert done_to(rest_nodes(seen)) == [("Unpin", "n")]
    assert rest_nodes(replace(seen, pods=(pod_on("n"),))).actions == ()


def test_a_bought_node_keeps_the_label_of_its_claim() -> None:
    seen = wanting(1, *named(BOUGHT, "bought"))

    assert unpin_nodes(deleting(seen)).actions == ()
    assert rest_nodes(seen).actions == ()


def test_a_label_that_somebody_has_put_on_a_stranger_s_node_is_not_ours_to_take_off() -> None:
    strange = named({"apps": "phi", labels.CREATED_FOR: "another"}, "n")

    assert unpin_nodes(deleting(wanting(1, *strange))).actions == ()


def test_a_label_goes_after_the_workload_and_before_the_finalizer() -> None:
    seen = deleting(wanting(1, *named(HELD, "n")))

    names = [type(action).__name__ for step in plan(seen) for action in step.actions]

    assert names == ["Unpin", "ReleaseFinalizer"]
    held_up = plan(replace(seen, pods=(pod_on("n"),)))
    assert [type(action) for step in held_up for action in step.actions] == [DeleteUnseen]


def test_where_its_pods_are_a_workspace_stays() -> None:
    seen = wanting(1, *named(HELD, "a", "b"))

    assert [one.metadata.name for one in chosen_nodes(seen)] == ["a"]
    moved = replace(seen, pods=(pod_on("b"),))
    assert [one.metadata.name for one in chosen_nodes(moved)] == ["b"]
    assert done_to(pin_nodes(moved)) == [("Unpin", "a")]


def test_a_labelled_node_that_is_away_is_waited_for() -> None:
    away = node(HELD, name="mine", ready=False)

    steps = plan(wanting(1, away))

    assert steps[-1].reason is Reason.NODES_NOT_READY
    assert [action for step in steps for action in step.actions] == []


async def brought(bench: Bench, **carried: str) -> Node:
    """A node of the user's, as an up-to-date cache has it."""
    bench.api.put(NODE, metadata={"name": "n1", "uid": "u-n", "labels": {"apps": "phi", **carried}})
    return Node.model_validate(bench.stored(NODE))


async def carry_out(bench: Bench, *actions: Pin | Unpin | ReleaseFinalizer) -> None:
    step = Step("", satisfied=True, reason=Reason.RECONCILING, actions=actions)
    await Executor(bench.client).run((step,))


def label_of(bench: Bench) -> object:
    return bench.stored(NODE)["metadata"]["labels"].get(labels.CREATED_FOR)


async def test_a_label_is_one_patch_over_the_version_that_was_seen(bench: Bench) -> None:
    seen = await brought(bench)

    await carry_out(bench, Pin(seen, UID))

    (sent,) = bench.api.seen
    lock = {"uid": "u-n", "resourceVersion": seen.metadata.resource_version}
    assert (sent.method, sent.path) == ("PATCH", NODE)
    assert sent.body == {"metadata": {"labels": {labels.CREATED_FOR: UID}, **lock}}
    assert label_of(bench) == UID
    with pytest.raises(Conflict):
        await carry_out(bench, Pin(seen, "slower"))
    assert label_of(bench) == UID


async def test_a_label_of_a_workspace_that_lives_is_not_replaced(bench: Bench) -> None:
    bench.put_workspace()
    seen = await brought(bench, **{labels.CREATED_FOR: UID})

    with pytest.raises(Conflict, match="another Workspace"):
        await carry_out(bench, Pin(seen, "younger"))

    assert label_of(bench) == UID


async def test_a_label_of_a_workspace_that_is_gone_is_replaced(bench: Bench) -> None:
    bench.put_workspace()
    seen = await brought(bench, **{labels.CREATED_FOR: "gone"})

    await carry_out(bench, Pin(seen, UID))

    assert label_of(bench) == UID


async def test_a_label_is_taken_off_and_a_node_that_is_gone_has_none(bench: Bench) -> None:
    seen = await brought(bench, **{labels.CREATED_FOR: UID})

    await carry_out(bench, Unpin(seen))

    assert bench.stored(NODE)["metadata"]["labels"] == {"apps": "phi"}
    bench.api.remove(NODE)
    await carry_out(bench, Unpin(seen))


async def test_the_finalizer_stays_while_the_server_knows_of_a_label(bench: Bench) -> None:
    bench.put_workspace()
    bench.change_metadata(WORKSPACE, finalizers=[labels.WORKSPACE_FINALIZER])
    await brought(bench, **{labels.CREATED_FOR: UID})

    with pytest.raises(Conflict, match="a Node of this Workspace"):
        await carry_out(bench, ReleaseFinalizer(bench.workspace))

    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == [labels.WORKSPACE_FINALIZER]


def forbid_labelling(bench: Bench) -> None:
    """Have the server refuse all patches of the node, and do everything else."""
    patch = refusal(403, "Forbidden")

    async def answer(request: web.Request) -> web.StreamResponse:
        if (request.method, request.path) == ("PATCH", NODE):
            return await patch(request)
        code, body = bench.api.carry_out(bench.api.seen[-1])
        return web.json_response(body, status=code)

    bench.api.instead.extend([answer] * 50)


async def test_what_is_paid_for_goes_even_where_a_label_may_not_be_taken_off(bench: Bench) -> None:
    held = [labels.WORKSPACE_FINALIZER]
    bench.put_workspace()
    bench.change_metadata(WORKSPACE, finalizers=held)
    of_claim = {**BOUGHT, labels.WORKSPACE_NAMESPACE: "default"}
    bench.api.put(f"{CLAIMS}/bought", metadata={"name": "bought", "labels": of_claim})
    await brought(bench, **{labels.CREATED_FOR: UID})
    bench.mark_deleted(WORKSPACE)
    forbid_labelling(bench)

    await bench.reconcile()
    outcome = await bench.reconcile()

    assert [path for path in bench.api.objects if path.startswith(f"{CLAIMS}/")] == []
    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == held
    said = {one.type: one for one in bench.workspace.status.conditions}
    assert said["Ready"].reason == "RefusedByAPIServer"
    assert "manifests/rbac" in said["Ready"].message
    assert outcome.recheck_seconds == 60

    bench.api.instead.clear()
    await bench.settle()

    assert WORKSPACE not in bench.api.objects
    assert label_of(bench) is None


async def test_a_label_that_may_not_be_written_is_told_with_the_remedy(bench: Bench) -> None:
    bench.put_workspace()
    bench.change_metadata(WORKSPACE, finalizers=[labels.WORKSPACE_FINALIZER])
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {labels.GPU: "1"},
    }
    carried = {"apps": "phi", labels.INSTANCE_TYPE: "Standard_X"}
    bench.api.put(NODE, metadata={"name": "n1", "uid": "u-n", "labels": carried}, status=status)
    bench.api.instead.append(refusal(403, "Forbidden"))

    outcome = await bench.reconcile()

    said = {one.type: one for one in bench.workspace.status.conditions}
    assert outcome.recheck_seconds == 60
    assert (said["Ready"].reason, said["ResourceReady"].status) == ("RefusedByAPIServer", "False")
    assert "kaito.sh/workspace-uid" in said["Ready"].message
    assert "manifests/rbac" in said["Ready"].message
    assert bench.workspace.status.worker_nodes == ()
    assert [sent.path for sent in bench.api.seen if "deployments" in sent.path] == []
