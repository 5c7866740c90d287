"""What one look takes in of a large cluster, and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.observe import (
    BY_NODE,
    BY_TRAIT,
    BY_WORKSPACE,
    Observed,
    Options,
    Stores,
    by_node,
    by_workspace,
    observe,
    once,
)
from kaito.kube.kinds import Deployment, Job, Node, Pod, Service, StatefulSet
from kaito.kube.store import Store
from kaito.nodes.selection import traits, wanted_traits
from tests.unit.controllers.workspace.worlds import CATALOG, NOW, workspace
from tests.unit.nodes.builders import OURS, PINNED, THEIRS, node

OWNER = {"kind": "ReplicaSet", "name": "w-123", "uid": "r", "apiVersion": "apps/v1"}


def look(
    subject: Workspace,
    *,
    others: Sequence[Workspace] = (),
    nodes: Sequence[Node] = (),
    pods: Sequence[Pod] = (),
    services: Sequence[Service] = (),
) -> Observed:
    """One look at a workspace, with caches that hold these."""
    stores = Stores(
        workspaces=Store({BY_NODE: by_node, BY_TRAIT: wanted_traits}),
        machines=Store[Machine]({BY_WORKSPACE: by_workspace}),
        node_claims=Store[NodeClaim]({BY_WORKSPACE: by_workspace}),
        nodes=Store({BY_TRAIT: traits}),
        services=Store[Service](),
        deployments=Store[Deployment](),
        stateful_sets=Store[StatefulSet](),
        jobs=Store[Job](),
        pods=Store({BY_WORKSPACE: by_workspace}),
    )
    for each in (subject, *others):
        stores.workspaces.put(each)
    for one in nodes:
        stores.nodes.put(one)
    for pod in pods:
        stores.pods.put(pod)
    for service in services:
        stores.services.put(service)
    seen = observe(stores, subject.ref, now=NOW, catalog=CATALOG, options=Options(registry=""))
    assert seen is not None
    return seen


def using(name: str, *nodes: str, since: str) -> Workspace:
    """Another workspace, which uses nodes."""
    metadata = {"name": name, "namespace": "default", "uid": f"u-{name}"}
    return workspace(
        metadata={**metadata, "creationTimestamp": since}, status={"workerNodes": list(nodes)}
    )


def test_nodes_that_cannot_serve_are_left_out() -> None:
    nodes = (
        node("free"),
        node("made-for-it", labels=OURS),
        node("made-for-another", labels=THEIRS),
        node("elsewhere", labels={"apps": "other"}),
    )

    seen = look(workspace(), nodes=nodes)

    assert [each.metadata.name for each in seen.nodes] == ["free", "made-for-it"]


def test_the_node_that_a_pod_is_on_is_seen_whatever_its_labels() -> None:
    metadata = {"name": "p", "namespace": "default", "labels": {"kaito.sh/workspace": "w"}}
    wire = {
        "metadata": {**metadata, "uid": "p", "ownerReferences": [OWNER]},
        "spec": {"nodeName": "relabelled"},
    }

    seen = look(
        workspace(),
        nodes=(node("relabelled", labels={"apps": "other"}),),
        pods=(Pod.model_validate(wire),),
    )

    assert [each.metadata.name for each in seen.nodes] == ["relabelled"]


def test_a_node_that_another_workspace_uses_is_taken() -> None:
    others = (using("a", "theirs", since="2026-01-01T00:00:00Z"),)

    seen = look(workspace(), others=others, nodes=(node("theirs"), node("free")))

    assert seen.taken == {"theirs"}


@pytest.mark.parametrize(
    ("carried", "phase", "is_taken"),
    [
        ({}, "", False),
        ({"team": "b"}, "", True),
        ({}, "Pending", True),
        ({}, "Running", True),
        ({}, "Failed", False),
        ({"kaito.sh/workspace-uid": "u-a"}, "", True),
    ],
    ids=["given away", "both select it", "a pod starts", "a pod is there", "it ended", "pinned"],
)
def test_a_node_that_was_relabelled_is_free_once_nothing_of_the_other_is_there(
    carried: dict[str, str], phase: str, *, is_taken: bool
) -> None:
    resource = {"labelSelector": {"matchLabels": {"team": "b"}}}
    metadata = {"name": "a", "namespace": "default", "uid": "u-a"}
    other = workspace(metadata=metadata, resource=resource, status={"workerNodes": ["n"]})

    seen = look(
        workspace(),
        others=(other,),
        nodes=(node("n", labels=carried),),
        pods=(pod_of("a", on="n", phase=phase), pod_of("a", on="m")) if phase else (),
    )

    assert seen.taken == ({"n"} if is_taken else set())


def pod_of(name: str, *, on: str, phase: str = "Running") -> Pod:
    """The pod of a Workspace, on a node."""
    metadata = {"name": f"{name}-{on}", "namespace": "default", "uid": f"p-{on}"}
    wire = {
        "metadata": {**metadata, "labels": {"kaito.sh/workspace": name}},
        "spec": {"nodeName": on},
        "status": {"phase": phase},
    }
    return Pod.model_validate(wire)


def test_of_two_that_use_one_node_the_older_has_it() -> None:
    older = using("a", "both", since="2026-01-01T00:00:00Z")
    younger = using("b", "both", since="2026-01-02T00:00:00Z")
    nodes = (node("both"),)

    assert look(older, others=(younger,), nodes=nodes).taken == frozenset()
    assert look(younger, others=(older,), nodes=nodes).taken == {"both"}


def test_a_node_that_carries_the_uid_of_a_living_workspace_is_taken_and_others_are_free() -> None:
    other = using("a", since="2026-01-01T00:00:00Z")
    labelled = {
        "its-own": PINNED,
        "the-other's": {"kaito.sh/workspace-uid": "u-a"},
        "of-nobody-any-more": {"kaito.sh/workspace-uid": "u-gone"},
    }

    nodes = [node(name, labels=carried) for name, carried in labelled.items()]

    assert look(workspace(), others=(other,), nodes=nodes).taken == {"the-other's"}


def test_what_the_label_says_of_a_node_goes_before_what_others_say() -> None:
    older = using("a", "n", since="2026-01-01T00:00:00Z")

    assert look(workspace(), others=(older,), nodes=(node("n"),)).taken == {"n"}
    assert look(workspace(), others=(older,), nodes=(node("n", labels=PINNED),)).taken == set()


@pytest.mark.parametrize(
    ("name", "of", "is_strange"),
    [
        ("w", None, True),
        ("w", "w", False),
        ("w-headless", None, True),
        ("w-headless", "w", False),
        ("w-headless", "w-headless", True),
        ("elsewhere", None, False),
    ],
)
def test_a_service_that_has_our_name_and_not_our_label_is_a_stranger_s(
    name: str, of: str | None, *, is_strange: bool
) -> None:
    carried = {"kaito.sh/workspace": of} if of else {}
    metadata = {"name": name, "namespace": "default", "uid": "s", "labels": carried}
    service = Service.model_validate({"metadata": metadata})

    assert look(workspace(), services=[service]).strangers == ((service,) if is_strange else ())


@pytest.mark.parametrize(
    ("others", "alive"), [((), True), (("True", "False"), True), (("False", "Unknown"), False)]
)
def test_a_cluster_without_a_ready_node_is_one_that_nobody_sees(
    others: tuple[str, ...], *, alive: bool
) -> None:
    ours = [node("ours", labels=OURS, ready="Unknown")] if others else []
    elsewhere = [node(f"n{n}", labels=THEIRS, ready=state) for n, state in enumerate(others)]

    assert look(workspace(), nodes=[*ours, *elsewhere]).is_cluster_alive is alive


def test_a_question_is_asked_once_of_a_look_and_anew_of_another() -> None:
    asked: list[Observed] = []

    @once
    def names(seen: Observed) -> list[str]:
        asked.append(seen)
        return [each.metadata.name for each in seen.nodes]

    first = look(workspace(), nodes=[node("one", labels=OURS)])
    second = replace(first, nodes=())

    assert [names(first), names(first), names(second)] == [["one"], ["one"], []]
    assert [seen is first for seen in asked] == [True, False]
