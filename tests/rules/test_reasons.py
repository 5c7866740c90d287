"""Each reason that a person may have to act on is named where it can be brought about.

That is a test in tests/behaviour, or else one in tests/unit: what the test does with the reason is
not looked at here.
"""

from __future__ import annotations

import ast
from pathlib import Path

from kaito.api.reasons import WARNINGS, Reason

TESTS = Path(__file__).parents[1]
WANTED = {str(each) for each in WARNINGS | {Reason.NODES_NOT_READY}}
ELSEWHERE = {
    "ModelUnavailable": "its image holds the tiny model, and no hub can be reached",
    "OutOfMemory": "there is no GPU",
    "TrainingConfigInvalid": "what is wrong before the trainer starts is PreflightFailed",
}
"""Those that no test brings about in the local cluster, and why; tests/unit names each of them."""


def words(folder: Path, names: str) -> set[str]:
    """The texts that stand alone in the modules of a folder, and the members of enumerations."""
    trees = [ast.walk(ast.parse(path.read_text())) for path in sorted(folder.rglob(names))]
    return {
        str(node.value) if isinstance(node, ast.Constant) else node.attr
        for tree in trees
        for node in tree
        if isinstance(node, ast.Constant | ast.Attribute)
    }


def test_each_reason_that_a_person_may_act_on_is_named_in_a_test_of_the_local_cluster() -> None:
    assert WANTED - words(TESTS / "behaviour", "test_*.py") == ELSEWHERE.keys()


def test_what_cannot_come_about_there_is_named_in_a_unit_test() -> None:
    said = words(TESTS / "unit", "test_*.py")

    assert [each for each in ELSEWHERE if not {each, Reason(each).name} & said] == []
