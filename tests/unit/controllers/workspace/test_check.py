"""What is refused before a node is bought, and the sentence that says so."""

from __future__ import annotations

import pytest
import yaml

from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.step import Step
from tests.unit.controllers.workspace.worlds import observed, workspace

PHI: dict[str, object] = {"preset": {"name": "phi"}}


def selecting(**resource: object) -> dict[str, object]:
    return {"labelSelector": {"matchLabels": {"apps": "phi"}}, **resource}


def first(subject: Workspace) -> Step:
    return plan(observed(workspace=subject))[0]


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        pytest.param(
            {"inference": {"preset": {"name": "phii"}}},
            Reason.UNKNOWN_PRESET,
            "inference.preset.name: no preset is named phii: use one of phi",
            id="unknown preset",
        ),
        pytest.param(
            {"resource": selecting(instanceType="Standard_Y")},
            Reason.UNKNOWN_INSTANCE_TYPE,
            "resource.instanceType: Standard_Y is not in the table",
            id="unknown instance type",
        ),
        pytest.param(
            {"resource": selecting()},
            Reason.INVALID_SPEC,
            "resource.instanceType: is not set: use Standard_X, the smallest that fits",
            id="no instance type",
        ),
        pytest.param(
            {"resource": selecting(instanceType="Standard_Tiny")},
            Reason.NOT_ENOUGH_MEMORY,
            "phi needs one GPU with 9 GiB to serve, Standard_Tiny has 1 GPU with 4 GiB",
            id="too small",
        ),
        pytest.param(
            {"resource": {"instanceType": "Standard_X", "labelSelector": {}}},
            Reason.INVALID_SPEC,
            "resource.labelSelector: names no label",
            id="no label",
        ),
        pytest.param(
            {
                "resource": {
                    "instanceType": "Standard_X",
                    "labelSelector": {
                        "matchExpressions": [{"key": "a", "operator": "Exists", "values": []}]
                    },
                }
            },
            Reason.INVALID_SPEC,
            "a Exists cannot be stamped on a new node",
            id="selector that cannot be stamped",
        ),
    ],
)
def test_a_spec_that_cannot_work_is_refused_with_field_and_remedy(
    changes: dict[str, object], reason: Reason, said: str
) -> None:
    step = first(workspace(**changes))

    assert not step.satisfied
    assert step.reason is reason
    assert said in step.message
    assert step.actions == ()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("inference-phi-3-mini-with-adapter", ["inference.adapters[0].source.image"]),
        ("tuning-phi-3-mini-4k", ["tuning.output.image", "tuning.output.imagePushSecret"]),
        ("tuning-phi-3-mini-128k", ["tuning.output.image", "tuning.output.imagePushSecret"]),
        ("tuning-phi-3", ["tuning.output.image", "tuning.output.imagePushSecret"]),
    ],
)
def test_placeholders_of_the_quick_starts_are_named(
    name: str, fields: list[str], examples: dict[str, str]
) -> None:
    step = first(Workspace.model_validate(yaml.safe_load(examples[name])))

    assert step.reason is Reason.PLACEHOLDER
    assert [field for field in fields if field in step.message] == fields
    assert "put the reference" in step.message
    assert step.actions == ()


def test_a_spec_that_works_is_not_held_up() -> None:
    assert first(workspace(inference=PHI)).satisfied
