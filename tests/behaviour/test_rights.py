"""Least privilege: what was granted is what the whole ring needed.

Nothing was denied: each cluster's own teardown looks at that.
"""

from __future__ import annotations

import pytest

from tests import rights
from tests.conftest import RIGHTS_USED
from tests.rights import Right

ELSEWHERE = {
    Right("kaito", "create", "tokenreviews.authentication.k8s.io"),
    Right("kaito", "create", "subjectaccessreviews.authorization.k8s.io"),
    Right("provisioner", "create", "tokenreviews.authentication.k8s.io"),
    Right("provisioner", "create", "subjectaccessreviews.authorization.k8s.io"),
}
"""Needed when somebody scrapes, which tests/delivery does."""

AFTER_A_LOSS = {
    Right(account, "get", resource)
    for account, resources in {
        "kaito": (
            *("deployments.apps", "statefulsets.apps", "jobs.batch", "pods", "services"),
            *("machines.karpenter.sh", "nodeclaims.karpenter.sh", "workspaces.kaito.sh"),
            "events.events.k8s.io",
        ),
        "provisioner": (
            *("machines.karpenter.sh", "nodeclaims.karpenter.sh", "nodes"),
            "events.events.k8s.io",
        ),
    }.items()
    for resource in resources
}
"""What is read back when a name is taken or an answer was lost, which tests/chaos brings about."""

BY_SETTING = {
    Right("provisioner", "delete", "machines.karpenter.sh"),
    Right("provisioner", "delete", "nodeclaims.karpenter.sh"),
}
"""Only with --deadline-action=delete, which tests/provisioner sets."""

OF_A_LATE_CLOUD = {Right("provisioner", "delete", "nodes")}
"""Of a machine whose Node outlives it: the local cloud takes both; the plans' unit tests use it."""

EXCUSED = ELSEWHERE | AFTER_A_LOSS | BY_SETTING | OF_A_LATE_CLOUD


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
