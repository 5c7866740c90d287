"""A pod template of the user's own: everything in it stays, and it runs on the right nodes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kaito.workloads.template import rendered_template
from tests.unit.controllers.workspace.worlds import UID, workspace
from tests.unit.workloads.wire import at

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "vision"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [{"name": "serve", "image": "mine:1"}],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "preference": {"matchExpressions": []}}
                ],
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["1"]}]},
                        {"matchFields": [{"key": "metadata.name", "operator": "Exists"}]},
                    ]
                },
            },
        },
    },
}
NODES = (
    *("spec", "template", "spec", "affinity", "nodeAffinity"),
    *("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"),
)


def rendered(template: object) -> Any:
    return rendered_template(workspace(inference={"template": template}))


def keys(term: Any) -> list[str]:
    """What an alternative of a node affinity demands by expressions."""
    return [one["key"] for one in term["matchExpressions"]]


def test_what_the_user_wrote_stays() -> None:
    before = copy.deepcopy(TEMPLATE)

    made = rendered(TEMPLATE)

    assert before == TEMPLATE
    assert at(made, "spec", "template", "metadata", "annotations") == {"a": "b"}
    assert at(made, "spec", "template", "metadata", "labels", "team") == "vision"
    pod = at(made, "spec", "template", "spec")
    assert pod["containers"] == TEMPLATE["spec"]["containers"]
    assert pod["tolerations"][0] == {"key": "spot", "operator": "Exists"}
    assert "podAntiAffinity" in pod["affinity"]
    assert pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]


def test_each_alternative_of_the_user_s_affinity_also_demands_our_nodes() -> None:
    zone, field = at(rendered(TEMPLATE), *NODES)

    assert keys(zone) == ["zone", "apps", "kaito.sh/workspace-uid"]
    assert keys(field) == ["apps", "kaito.sh/workspace-uid"]
    assert field["matchFields"] == [{"key": "metadata.name", "operator": "Exists"}]
    assert zone["matchExpressions"][2]["values"] == [UID]


@pytest.mark.parametrize("bare", [{"spec": {"containers": []}}, {"spec": None}, {}])
def test_a_template_without_affinity_runs_on_pinned_nodes_alone(bare: object) -> None:
    (term,) = at(rendered(bare), *NODES)

    assert keys(term) == ["apps", "kaito.sh/workspace-uid"]


def test_pods_carry_the_label_that_their_deployment_selects() -> None:
    made = rendered(TEMPLATE)
    carried = at(made, "spec", "template", "metadata", "labels")
    wanted = at(made, "spec", "selector", "matchLabels")

    assert wanted
    assert wanted.items() <= carried.items()


def test_a_changed_template_is_another_revision() -> None:
    other = copy.deepcopy(TEMPLATE)
    other["spec"]["containers"][0]["image"] = "mine:2"
    name = ("metadata", "annotations", "workspace.kaito.io/hash")

    assert at(rendered(other), *name) != at(rendered(TEMPLATE), *name)
    assert at(rendered(copy.deepcopy(TEMPLATE)), *name) == at(rendered(TEMPLATE), *name)


@pytest.mark.parametrize(
    ("containers", "seconds"),
    [
        pytest.param([{"name": "a"}], 10, id="nothing says when it is ready"),
        pytest.param([{"name": "a", "readinessProbe": {"httpGet": {}}}], None, id="probed"),
        pytest.param(
            [{"name": "a", "readinessProbe": {"httpGet": {}}}, {"name": "b"}], 10, id="one"
        ),
    ],
)
def test_a_pod_that_nothing_probes_counts_only_when_it_lasts(
    containers: list[Any], seconds: int | None
) -> None:
    made = rendered({"spec": {"containers": containers}})

    assert made["spec"].get("minReadySeconds") == seconds
