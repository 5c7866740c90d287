"""Each seeded bug can still be seeded: the list is as old as the code."""

from __future__ import annotations

import pytest

from tests.mutants.mutation import LISTS, ROOT, Mutation


@pytest.mark.parametrize(
    "mutation", [pytest.param(each, id=each.bug) for bugs in LISTS.values() for each in bugs]
)
def test_the_text_that_a_bug_takes_the_place_of_stands_once_in_its_file(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text()

    assert text.count(mutation.old) == 1
