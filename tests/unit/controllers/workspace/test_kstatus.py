"""What Flux and kubectl make of every state of a workspace's life."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from kaito.api.machine import LAUNCHED
from kaito.controllers.workspace.observe import Observed
from kaito.kube.kinds import Pod
from tests.unit.controllers.workspace.kstatus import faults, kstatus
from tests.unit.controllers.workspace.states import (
    CLAIM,
    EMPTY,
    FAILED,
    LOADING,
    PROVISIONED,
    SERVING,
    UP,
    WORLDS,
    after,
    knowing,
    said,
)
from tests.unit.controllers.workspace.worlds import deleting, with_condition, workspace

PULLING_FAILS = {
    "metadata": {"name": "p"},
    "status": {
        "startTime": "2025-12-31T00:00:00Z",
        "containerStatuses": [{"name": "w", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
    },
}


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (EMPTY, "InProgress"),
        (FAILED, "Failed"),
        (PROVISIONED, "InProgress"),
        (LOADING, "InProgress"),
        (UP, "Current"),
        (deleting(UP), "Terminating"),
    ],
    ids=["empty", "failed", "provisioned", "loading", "up", "deleting"],
)
def test_each_state_has_the_word_that_a_person_would_use(seen: Observed, word: str) -> None:
    assert kstatus(seen, said(seen)) == word


@pytest.mark.parametrize(("before", "seen"), list(product(WORLDS, WORLDS)))
def test_whatever_went_before_one_word_stands_and_never_two(
    before: Observed, seen: Observed
) -> None:
    assert faults(seen, after(before, seen)) == []


@pytest.mark.parametrize("seen", WORLDS)
def test_a_status_of_an_older_generation_is_never_current(seen: Observed) -> None:
    newer = knowing(seen, said(seen), generation=2)

    assert kstatus(newer, said(seen)) in {"InProgress", "Terminating"}


def test_a_spec_that_can_never_work_fails_at_once() -> None:
    unknown = workspace(inference={"preset": {"name": "no-such-model"}})

    assert kstatus(EMPTY, said(replace(EMPTY, workspace=unknown))) == "Failed"


def test_an_image_that_nobody_can_pull_fails_and_recovers_with_the_first_progress() -> None:
    stuck = replace(LOADING, pods=(Pod.model_validate(PULLING_FAILS),))

    assert kstatus(stuck, said(stuck)) == "Failed"
    assert kstatus(UP, after(stuck, replace(UP, deployment=SERVING))) == "Current"


def test_a_claim_that_is_tried_again_is_in_progress_once_more() -> None:
    again = replace(EMPTY, claims=(with_condition(CLAIM, LAUNCHED, "Unknown", "trying again"),))

    assert kstatus(again, after(FAILED, again)) == "InProgress"
