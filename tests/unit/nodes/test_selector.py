"""A selector is stamped on new nodes, so it must be a set of labels."""

from __future__ import annotations

import pytest

from kaito.api.spec import LabelSelector
from kaito.kube.errors import InvalidSpec
from kaito.nodes.selector import is_matching, is_selected, match_labels


def selector(*expressions: tuple[str, str, list[str]], **labels: str) -> LabelSelector:
    return LabelSelector.model_validate(
        {
            "matchLabels": labels,
            "matchExpressions": [
                {"key": key, "operator": operator, "values": values}
                for key, operator, values in expressions
            ],
        }
    )


def test_labels_and_single_valued_expressions_are_stamped() -> None:
    found = match_labels(selector(("tier", "In", ["gpu"]), apps="phi"))

    assert found == {"apps": "phi", "tier": "gpu"}


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        ("In", ["a", "b"]),
        ("In", []),
        ("in", ["a"]),
        ("Exists", []),
        ("DoesNotExist", []),
        ("Gt", ["1"]),
    ],
)
def test_an_expression_that_names_no_one_label_is_refused_with_a_remedy(
    operator: str, values: list[str]
) -> None:
    vague = selector(("tier", operator, values), apps="phi")

    with pytest.raises(InvalidSpec) as refused:
        match_labels(vague)

    assert refused.value.field == "resource.labelSelector.matchExpressions"
    assert f"tier {operator}" in refused.value.message
    assert "use matchLabels" in refused.value.message
    assert not is_selected(vague, {"apps": "phi", "tier": "a"})


def test_an_object_matches_when_it_carries_every_label() -> None:
    assert is_matching({"a": "1", "b": "2"}, {"a": "1"})
    assert not is_matching({"a": "1"}, {"a": "1", "b": "2"})
    assert not is_matching({"a": "2"}, {"a": "1"})
    assert is_matching({}, {})


def test_a_selector_chooses_by_labels_and_expressions() -> None:
    both = selector(("tier", "In", ["gpu"]), apps="phi")

    assert is_selected(both, {"apps": "phi", "tier": "gpu", "other": "x"})
    assert not is_selected(both, {"apps": "phi"})
    assert not is_selected(both, {"tier": "gpu"})


def test_a_selector_that_contradicts_itself_is_refused() -> None:
    both = selector(("apps", "In", ["two"]), apps="one")

    with pytest.raises(InvalidSpec, match="no node can be both"):
        match_labels(both)
