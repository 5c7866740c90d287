"""What is remembered of a look depends on the look alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.rules.tree import ACTING, SHIPPED, Source, at, sources

LOOK = "Observed"


def remembered(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions of a module, at any depth, whose answers a look keeps."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.id for each in node.decorator_list if isinstance(each, ast.Name)]
            if "once" in names:
                yield node


def takes_only_the_look(question: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function waits for nothing, and has one parameter without a default: a look."""
    given = question.args
    rest = (*given.kwonlyargs, *given.defaults, given.vararg, given.kwarg)
    kinds = [
        ast.unparse(each.annotation)
        for each in (*given.posonlyargs, *given.args)
        if each.annotation
    ]
    return isinstance(question, ast.FunctionDef) and not any(rest) and kinds == [LOOK]


def keeps_to_itself(question: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function leaves the names around it as they are."""
    return not any(isinstance(node, ast.Global | ast.Nonlocal) for node in ast.walk(question))


def test_what_is_asked_once_takes_only_the_look_and_stands_at_the_top_of_what_decides() -> None:
    found = [(source, each) for source in sources(*SHIPPED) for each in remembered(source)]
    wrong = [
        at(source, each)
        for source, each in found
        if not (takes_only_the_look(each) and keeps_to_itself(each))
        or each not in source.tree.body
        or source.path.rpartition("/")[2].removesuffix(".py") in ACTING
    ]

    assert len(found) > 5
    assert wrong == []


@pytest.mark.parametrize(
    "question",
    [
        "def f(seen: Observed, most: int = 3): ...",
        "def f(seen: Observed, *others: Observed): ...",
        "def f(seen: Observed, *, patience: float): ...",
        "def f(workspace: Workspace): ...",
        "def f(seen: Observed, stores: Stores): ...",
        "async def f(seen: Observed): ...",
    ],
)
def test_what_takes_more_or_waits_is_found(question: str) -> None:
    (node,) = ast.parse(question).body

    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    assert not takes_only_the_look(node)
