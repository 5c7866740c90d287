"""What many objects say alike is kept once, and reads as what the wire said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kaito.api.machine import MACHINES
from kaito.kube.decoding import decode
from kaito.kube.kinds import DEPLOYMENTS, NODES, PODS
from kaito.kube.objects import KubeObject

SINCE = "2026-11-22T11:02:35Z"
READY: dict[str, object] = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "lastTransitionTime": SINCE,
}
REQUIREMENTS = [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]
CAPACITY = {"cpu": "24", "nvidia.com/gpu": "1"}
MORE = {"cpu": "24", "nvidia.com/gpu": "2"}


def machine(name: str) -> Any:
    """A Machine as the API server sends it; all but its name is of its template."""
    return decode(
        MACHINES,
        {
            "metadata": {"name": name, "resourceVersion": "1", "creationTimestamp": SINCE},
            "spec": {
                "requirements": [dict(each) for each in REQUIREMENTS],
                "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            },
            "status": {"capacity": dict(CAPACITY), "conditions": [dict(READY)]},
        },
    )


def test_two_machines_of_one_template_share_what_it_says() -> None:
    one, other = machine("a"), machine("b")

    assert one.metadata.name != other.metadata.name
    assert one.spec.requirements is other.spec.requirements
    assert one.spec.taints is other.spec.taints
    assert one.status.capacity is other.status.capacity
    assert one.status.conditions[0] is other.status.conditions[0]
    assert one.metadata.creation_timestamp is other.metadata.creation_timestamp


def test_what_differs_is_not_shared() -> None:
    one = machine("a")
    other = decode(
        MACHINES,
        {
            "metadata": {"name": "b", "resourceVersion": "1"},
            "status": {
                "capacity": MORE,
                "conditions": [{**READY, "status": "False"}],
            },
        },
    )

    assert other is not None
    assert other.status.capacity == MORE
    assert other.status.conditions[0].status == "False"
    assert one.status.capacity == CAPACITY
    assert one.status.conditions[0].status == "True"


@pytest.mark.parametrize("kind", [NODES, PODS], ids=lambda kind: kind.kind)
def test_labels_that_are_alike_are_one_mapping(kind: Any) -> None:
    wire = {"metadata": {"resourceVersion": "1", "labels": {"a": "1", "b": "2"}}}

    one, other = (decode(kind, wire) for _ in range(2))

    assert isinstance(one, KubeObject)
    assert isinstance(other, KubeObject)
    assert one.metadata.labels is other.metadata.labels
    assert one.metadata.labels == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T11:02:35Z", datetime(2026, 11, 22, 11, 2, 35, tzinfo=UTC)),
        ("2026-11-22T11:02:35.250000Z", datetime(2026, 11, 22, 11, 2, 35, 250000, tzinfo=UTC)),
        ("2026-11-22T13:02:35+02:00", datetime(2026, 11, 22, 11, 2, 35, tzinfo=UTC)),
    ],
)
def test_a_moment_is_what_the_wire_says(text: str, moment: datetime) -> None:
    node = decode(NODES, {"metadata": {"resourceVersion": "1", "creationTimestamp": text}})

    assert node is not None
    assert node.metadata.creation_timestamp == moment


@pytest.mark.parametrize(
    "text", ["2026-11-22T25:02:35Z", "not a time at allZ!!", "yesterday at noonooZ"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    wire = {"metadata": {"resourceVersion": "1", "creationTimestamp": text}}

    assert decode(NODES, wire) is None


def test_a_moment_goes_back_to_the_wire_as_it_came() -> None:
    node = decode(NODES, {"metadata": {"resourceVersion": "1", "creationTimestamp": SINCE}})

    assert node is not None
    assert node.model_dump(mode="json", by_alias=True)["metadata"]["creationTimestamp"] == SINCE


TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "main", "args": ["--x", 1, 1.5, None, True, "é"]}]},
}


def test_a_template_reads_as_what_the_wire_said() -> None:
    wire = {"metadata": {"resourceVersion": "1"}, "spec": {"template": TEMPLATE}}

    found = decode(DEPLOYMENTS, wire)

    assert found is not None
    assert found.spec.template == TEMPLATE
    assert list(found.spec.template) == ["metadata", "spec"]
    assert found.spec.template.get("spec") == TEMPLATE["spec"]
    assert found.spec.template.get("status") is None
    assert len(found.spec.template) == 2
    assert found.model_dump(mode="json", by_alias=True)["spec"]["template"] == TEMPLATE
    assert found.model_validate(found.model_dump()) == found
    assert decode(DEPLOYMENTS, {**wire, "spec": {"template": {}}}) != found


def test_a_template_keeps_nothing_of_what_it_was_made_from() -> None:
    container = {"name": "main"}
    template = {"spec": {"containers": [container]}}
    found = decode(
        DEPLOYMENTS, {"metadata": {"resourceVersion": "1"}, "spec": {"template": template}}
    )

    container["name"] = "changed"

    assert found is not None
    assert found.spec.template == {"spec": {"containers": [{"name": "main"}]}}
