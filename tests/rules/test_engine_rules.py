"""Each rule of the engine is a test that carries its id, and a line of docs/reference/engine.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache

import pytest

from tests.rules.tree import ROOT, sources

COUNTS = {"R": 19, "I": 11, "Q": 9, "C": 10, "L": 10, "Y": 6, "W": 3} | {
    "F": 5,
    "O": 2,
    "S": 3,
    "E": 6,
    "T": 5,
}
RULES = [f"{letter}{number}" for letter, last in COUNTS.items() for number in range(1, last + 1)]
PAGE = ROOT / "docs" / "reference" / "engine.md"
LINE = re.compile(r"^- \*\*([A-Z]\d+)\*\* (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(\.\./\.\./(tests/[^)]+)\)")
DEVIATION = re.compile(r"^- \*\*([A-Z]\d+(?:, [A-Z]\d+)*)\*\*", re.MULTILINE)
NAMED = re.compile(r"test_((?:[a-z]\d+_)+)[a-z]")


@cache
def proofs() -> Mapping[str, frozenset[str]]:
    """The files with tests that are named after a rule, by its id."""
    found = dict[str, set[str]]()
    for source in sources("tests"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = NAMED.match(node.name)
                for rule in match[1].strip("_").upper().split("_") if match else ():
                    found.setdefault(rule, set()).add(source.path)
    return {rule: frozenset(paths) for rule, paths in found.items()}


@cache
def promises() -> Mapping[str, str]:
    """The lines of the page, by the rule's id."""
    return dict(LINE.findall(PAGE.read_text()))


@cache
def deviations() -> frozenset[str]:
    """The rules that a decision sets aside, each with its reason there."""
    (path,) = (ROOT / "docs" / "decisions").glob("0010-*.md")
    listed = DEVIATION.findall(path.read_text())
    return frozenset(rule for rules in listed for rule in rules.split(", "))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_a_test_of_its_name_or_a_reason_why_not(rule: str) -> None:
    assert rule in proofs() or rule in deviations()


def test_no_test_is_named_after_a_rule_that_there_is_not() -> None:
    assert set(proofs()) - set(RULES) == set()


def test_the_page_has_one_line_for_each_rule_in_their_order() -> None:
    assert [rule for rule, _ in LINE.findall(PAGE.read_text())] == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_line_of_the_page_leads_to_the_tests_of_its_rule(rule: str) -> None:
    linked = set(LINK.findall(promises()[rule]))

    assert linked or rule in deviations()
    assert linked <= proofs().get(rule, frozenset())


def test_the_page_says_which_rules_are_set_aside() -> None:
    said = {rule for rule, line in promises().items() if "0010-" in line}

    assert said == deviations()
