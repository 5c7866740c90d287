"""Label selectors that can be stamped: every one of them is also a set of labels."""

from __future__ import annotations

from collections.abc import Mapping

from kaito.api.spec import LabelExpression, LabelSelector
from kaito.kube.errors import InvalidSpec


def match_labels(selector: LabelSelector) -> dict[str, str]:
    """Labels that `selector` asks for.

    Raises:
        InvalidSpec: an expression is not `In` with exactly one value, so no label can be
            given to a created node that would satisfy it for certain; or two contradict.
    """
    wanted = dict(selector.match_labels)
    for expression in selector.match_expressions:
        value = _value(expression)
        if wanted.setdefault(expression.key, value) != value:
            raise InvalidSpec(
                "resource.labelSelector",
                f"{expression.key} is to be {wanted[expression.key]} and {value} at the same time:"
                " no node can be both",
            )
    return wanted


def _value(expression: LabelExpression) -> str:
    """The one value that an expression allows."""
    if expression.operator != "In" or len(expression.values) != 1:
        raise InvalidSpec(
            "resource.labelSelector.matchExpressions",
            f"{expression.key} {expression.operator} cannot be stamped on a new node: use"
            " matchLabels, or the operator In with one value",
        )
    return expression.values[0]


def is_matching(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether an object with `labels` carries every wanted one."""
    return all(labels.get(key) == value for key, value in wanted.items())


def is_selected(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether `selector` chooses an object with `labels`; one that cannot be stamped, none."""
    try:
        return is_matching(labels, match_labels(selector))
    except InvalidSpec:
        return False
