"""Least privilege: what was granted is what the whole ring needed.

Nothing was denied: each cluster's own teardown looks at that.
"""

from __future__ import annotations

import pytest

from tests import rights
from tests.conftest import RIGHTS_USED
from tests.excused import EXCUSED
from tests.rights import Right


def needed(used: set[Right]) -> set[Right]:
    """What was used, and `list` wherever `watch` was.

    A streamed first list is a watch; where the API server does not stream, the informer lists.
    """
    return used | {right._replace(verb="list") for right in used if right.verb == "watch"}


def test_no_verb_is_granted_that_nobody_used(request: pytest.FixtureRequest) -> None:
    used = needed(request.config.stash[RIGHTS_USED])

    assert sorted(rights.granted() - used - EXCUSED) == []


def test_what_is_excused_is_granted() -> None:
    assert sorted(EXCUSED - rights.granted()) == []


def test_every_verb_that_was_used_is_one_of_the_manifests(request: pytest.FixtureRequest) -> None:
    used = request.config.stash[RIGHTS_USED]
    everybodys = {right for right in used if right.resource.startswith("selfsubject")}

    assert sorted(used - everybodys - rights.granted()) == []
