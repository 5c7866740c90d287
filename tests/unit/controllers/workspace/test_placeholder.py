"""Fields that nobody has filled in are named before a node is bought, wherever they are."""

from __future__ import annotations

import pytest
import yaml

from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.step import Step
from tests.unit.controllers.workspace.worlds import observed, workspace


def first(subject: Workspace) -> Step:
    return plan(observed(workspace=subject))[0]


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


TEMPLATE = {
    "metadata": {"labels": {"team": "TEAM_HERE"}},
    "spec": {"containers": [{"name": "c", "image": "REPO_HERE/phi:1", "args": ["--to=URL_HERE"]}]},
}


@pytest.mark.parametrize(
    ("inference", "fields"),
    [
        (
            {"template": TEMPLATE},
            [
                "inference.template.metadata.labels.team holds the placeholder TEAM_HERE: put your",
                "inference.template.spec.containers[0].image holds the placeholder REPO_HERE:",
                "inference.template.spec.containers[0].args[0] holds the placeholder URL_HERE",
            ],
        ),
        (
            {
                "preset": {
                    "name": "phi",
                    "accessMode": "private",
                    "presetOptions": {"image": "r/phi:1", "imagePullSecrets": ["SECRET_HERE"]},
                }
            },
            [
                "presetOptions.imagePullSecrets[0] holds the placeholder SECRET_HERE: put the name",
            ],
        ),
    ],
    ids=["template", "private image"],
)
def test_a_placeholder_is_named_wherever_it_stands(
    inference: dict[str, object], fields: list[str]
) -> None:
    step = first(workspace(inference=inference))

    assert step.reason is Reason.PLACEHOLDER
    assert [field for field in fields if field not in step.message] == []
    assert step.actions == ()


def test_of_many_placeholders_a_few_are_named() -> None:
    args = [f"ARG{number}_HERE" for number in range(9)]
    container = {"name": "c", "image": "mine:1", "args": args}

    step = first(workspace(inference={"template": {"spec": {"containers": [container]}}}))

    assert "ARG4_HERE" in step.message
    assert "ARG5_HERE" not in step.message
    assert step.message.endswith("; and 4 more")


@pytest.mark.parametrize(
    "text",
    ["${IMAGE_HERE}", "$(TOKEN_HERE)", "$PATH_HERE", "it is _HERE", "AtHome_HERE", "X_HEREBY"],
)
def test_what_others_fill_in_is_no_placeholder(text: str) -> None:
    container = {"name": "c", "image": "mine:1", "args": [text]}
    inference = {"template": {"spec": {"containers": [container]}}}

    assert first(workspace(inference=inference)).satisfied


@pytest.mark.parametrize(
    ("variable", "bypass", "is_told"),
    [
        ({"name": "START_HERE", "value": "x"}, "", False),
        ({"name": "START", "value": "LOOK_HERE"}, "", True),
        ({"name": "START", "value": "LOOK_HERE"}, "false", True),
        ({"name": "START", "value": "LOOK_HERE"}, "true", False),
    ],
    ids=["a name", "a value", "not let through", "let through"],
)
def test_a_word_that_is_meant_so_has_a_way_through(
    variable: dict[str, str], bypass: str, *, is_told: bool
) -> None:
    container = {"name": "c", "image": "mine:1", "env": [variable]}
    subject = workspace(inference={"template": {"spec": {"containers": [container]}}})
    annotations = {"kaito.sh/bypass-placeholder-checks": bypass}
    metadata = subject.metadata.model_copy(update={"annotations": annotations})

    step = first(subject.model_copy(update={"metadata": metadata}))

    assert (step.reason is Reason.PLACEHOLDER) == is_told
