"""The Service: how users reach a model."""

from __future__ import annotations

import pytest

from kaito.workloads.service import rendered_service
from tests.unit.controllers.workspace.worlds import UID, workspace
from tests.unit.workloads.wire import OWNER, at


def annotated(value: str | None) -> dict[str, object]:
    annotations = {} if value is None else {"kaito.sh/enablelb": value}
    return {"name": "w", "namespace": "default", "uid": UID, "annotations": annotations}


def test_requests_come_in_at_80_and_torch_meets_at_29500() -> None:
    made = rendered_service(workspace(), target_port=5000)

    assert at(made, "spec", "ports") == [
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 5000},
        {"name": "torch", "protocol": "TCP", "port": 29500, "targetPort": 29500},
    ]


def test_requests_go_to_the_port_that_the_preset_serves_on() -> None:
    made = rendered_service(workspace(), target_port=8000)

    assert at(made, "spec", "ports", 0, "targetPort") == 8000
    assert at(made, "spec", "ports", 0, "port") == 80


def test_it_is_named_after_the_workspace_and_belongs_to_it() -> None:
    made = rendered_service(workspace(), target_port=5000)

    assert at(made, "apiVersion") == "v1"
    assert at(made, "kind") == "Service"
    assert at(made, "metadata", "name") == "w"
    assert at(made, "metadata", "namespace") == "default"
    assert at(made, "metadata", "ownerReferences") == [OWNER]
    assert at(made, "spec", "selector") == {"kaito.sh/workspace": "w"}


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (None, "ClusterIP"),
        ("True", "LoadBalancer"),
        ("False", "ClusterIP"),
        ("", "ClusterIP"),
    ],
)
def test_only_the_annotation_opens_it_to_the_world(value: str | None, type_: str) -> None:
    made = rendered_service(workspace(metadata=annotated(value)), target_port=5000)

    assert at(made, "spec", "type") == type_
