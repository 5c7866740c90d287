"""Which nodes a workspace may run on, and which of them it takes first."""

from __future__ import annotations

import pytest

from kaito.api.workspace import Workspace
from kaito.kube.kinds import Node
from kaito.nodes.selection import (
    gpus,
    is_created_for,
    is_held_by,
    is_ready,
    is_usable,
    suitable_nodes,
    traits,
    wanted_traits,
)
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.nodes.builders import OURS, PINNED, THEIRS, node


def wanting(*, preferred: tuple[str, ...] = (), in_use: tuple[str, ...] = ()) -> Workspace:
    return workspace(
        resource={
            "instanceType": "Standard_X",
            "labelSelector": {"matchLabels": {"apps": "phi"}},
            "preferredNodes": list(preferred),
        },
        status={"workerNodes": list(in_use)},
    )


def chosen(subject: Workspace, *nodes: Node) -> list[str]:
    return [found.metadata.name for found in suitable_nodes(subject, nodes) if is_usable(found)]


@pytest.mark.parametrize(
    "useless",
    [
        pytest.param(node("n", ready="False"), id="not ready"),
        pytest.param(node("n", ready="Unknown"), id="lost"),
        pytest.param(node("n", ready=None), id="never heard of"),
        pytest.param(node("n", deleting=True), id="being deleted"),
        pytest.param(node("n", unschedulable=True), id="cordoned"),
        pytest.param(node("n", type="Standard_Y"), id="another type"),
        pytest.param(node("n", labels={"apps": "other"}), id="another value of the label"),
        pytest.param(node("n", labels=THEIRS), id="made for another workspace"),
        pytest.param(
            node("n", labels={**OURS, "kaito.sh/workspace-uid": "old"}), id="made for a namesake"
        ),
        pytest.param(node("n", labels={"kaito.sh/workspace": "w"}), id="made for nobody known"),
        pytest.param(node("n", labels=OURS, ready="False"), id="ours, not ready"),
        pytest.param(node("n", labels={"kaito.sh/ragengine": "r"}), id="made for a RAGEngine"),
    ],
)
def test_a_node_that_cannot_serve_is_never_taken(useless: Node) -> None:
    assert chosen(wanting(), useless, node("good")) == ["good"]


def test_a_node_of_another_workspace_is_not_taken_even_if_preferred() -> None:
    assert chosen(wanting(preferred=("n",), in_use=("n",)), node("n", labels=THEIRS)) == []


def test_a_preferred_node_may_be_of_another_type_but_must_carry_the_labels() -> None:
    subject = wanting(preferred=("big", "alien"))

    assert chosen(
        subject, node("big", type="Standard_Y"), node("alien", labels={"apps": "other"})
    ) == ["big"]


def test_a_preferred_node_that_is_not_ready_is_not_taken() -> None:
    assert chosen(wanting(preferred=("n",)), node("n", ready="False")) == []


def test_of_nodes_that_are_free_preferred_ones_come_first_then_those_in_use_then_by_name() -> None:
    subject = wanting(preferred=("z",), in_use=("y",))
    nodes = [node("a"), node("b"), node("y"), node("z")]

    assert chosen(subject, *nodes) == ["z", "y", "a", "b"]
    assert chosen(subject, *reversed(nodes)) == ["z", "y", "a", "b"]


@pytest.mark.parametrize("carried", [OURS, PINNED], ids=("bought", "brought"))
def test_a_node_to_which_pods_are_pinned_stays_whatever_is_preferred(
    carried: dict[str, str],
) -> None:
    subject = wanting(preferred=("a",), in_use=("b",))

    assert chosen(subject, node("a"), node("b"), node("x", labels=carried)) == ["x", "a", "b"]


def test_a_node_is_made_for_the_workspace_whose_uid_came_with_its_claim() -> None:
    assert is_created_for(workspace(), node("n", labels=OURS))
    assert not is_created_for(workspace(), node("n", labels=PINNED))
    assert not is_created_for(workspace(), node("n", labels=THEIRS))
    assert not is_created_for(workspace(), node("n"))


def test_pods_are_pinned_to_nodes_that_were_bought_and_to_those_that_were_labelled() -> None:
    assert is_held_by(workspace(), node("n", labels=OURS))
    assert is_held_by(workspace(), node("n", labels=PINNED))
    assert not is_held_by(workspace(), node("n", labels=THEIRS))
    assert not is_held_by(workspace(), node("n"))


def test_a_node_is_ready_when_its_kubelet_says_so() -> None:
    assert is_ready(node("n"))
    assert not is_ready(node("n", ready="False"))
    assert not is_ready(node("n", ready=None))


def test_gpus_are_those_that_pods_can_ask_for() -> None:
    capacity = {"status": {"capacity": {"nvidia.com/gpu": "8"}, "allocatable": {"cpu": "4"}}}

    assert gpus(node("n")) == 1
    assert gpus(Node.model_validate(capacity)) == 0


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"apps": "phi"}},
        {"matchLabels": {"apps": "phi", "zone": "1"}},
        {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["phi"]}]},
    ],
    ids=("a label", "two labels", "an expression"),
)
def test_whatever_node_is_suitable_is_found_by_its_traits(selector: object) -> None:
    resource = {"instanceType": "Standard_X", "labelSelector": selector}
    subject = workspace(resource=resource)
    kinds: tuple[dict[str, str], ...] = (
        {},
        OURS,
        PINNED,
        THEIRS,
        {"kaito.sh/workspace": "w"},
        {"apps": "other"},
    )
    nodes = [node("n", labels={**kind, "zone": zone}) for kind in kinds for zone in "12"]

    suitable = [each for each in nodes if suitable_nodes(subject, [each])]
    found = [each for each in nodes if not set(traits(each)).isdisjoint(wanted_traits(subject))]

    assert len(suitable) in {3, 6}
    assert [each for each in suitable if each not in found] == []


def test_a_node_made_for_another_is_not_even_found() -> None:
    assert set(traits(node("n", labels=THEIRS))).isdisjoint(wanted_traits(wanting()))
    assert set(traits(node("n", labels={"apps": "other"}))).isdisjoint(wanted_traits(wanting()))


def test_a_pinned_node_is_found_whatever_else_becomes_of_its_labels() -> None:
    relabelled = node("n", labels={**PINNED, "apps": "other"})

    assert not set(traits(relabelled)).isdisjoint(wanted_traits(wanting()))
    assert suitable_nodes(wanting(), [relabelled]) == ()


def test_a_selector_that_cannot_be_stamped_finds_what_was_made_for_its_workspace() -> None:
    expression = {"key": "apps", "operator": "Exists"}
    subject = workspace(resource={"labelSelector": {"matchExpressions": [expression]}})

    assert set(traits(node("n", labels=OURS))) == set(wanted_traits(subject))
