"""The page of a Workspace's fields has every annotation that the programs read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from hack.annotations import ANNOTATIONS
from kaito.api import labels

ROOT = Path(__file__).parents[3]
PROGRAMS = ("kaito", "provisioner")


def trees() -> Iterator[ast.Module]:
    for part in PROGRAMS:
        yield from (ast.parse(path.read_text()) for path in sorted((ROOT / part).rglob("*.py")))


def said(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of a module's constants, each with what the string below it says."""
    for node, below in pairwise(tree.body):
        match node, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, text


def read(tree: ast.Module) -> Iterator[str]:
    """The annotations that a module looks up, by their names in `labels`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Name(id="annotations") | ast.Attribute(attr="annotations"),
                    attr="get",
                ),
                args=[ast.Attribute(value=ast.Name(id="labels"), attr=name), *_],
            ):
                yield str(getattr(labels, name))


def test_every_annotation_that_is_declared_is_on_the_page_and_no_other() -> None:
    tree = ast.parse(Path(labels.__file__).read_text())
    declared = {getattr(labels, name) for name, text in said(tree) if text.startswith("Annotation")}

    assert set(ANNOTATIONS) == declared


def test_every_annotation_that_is_read_is_declared() -> None:
    found = {name for tree in trees() for name in read(tree)}

    assert {labels.ENABLE_LOAD_BALANCER, labels.NODE_IMAGE_FAMILY, labels.REVISION} <= found
    assert found <= set(ANNOTATIONS)


def test_the_page_says_what_each_does() -> None:
    page = (ROOT / "docs/reference/workspace.md").read_text()

    assert [name for name, each in ANNOTATIONS.items() if f"`{name}` | {each.on}" not in page] == []
