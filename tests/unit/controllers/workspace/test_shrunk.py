"""An operator whose catalogue has lost everything: what runs is kept, and what is deleted goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status, verdict
from kaito.controllers.workspace.step import AddFinalizer
from tests.unit.controllers.workspace.lives import actions, begin, helped, reachable, stored
from tests.unit.controllers.workspace.tuninglives import begin_tuning
from tests.unit.controllers.workspace.worlds import UID, World, deleting, node, observed

EMPTY = Catalog(presets={}, skus={})
ROUNDS = 80
"""More passes than any life here needs to come to its end."""


@pytest.fixture(scope="module", params=[begin, begin_tuning])
def moments(request: pytest.FixtureRequest) -> list[Observed]:
    """Every moment that a life without bad luck can come to, for an operator without models."""
    found = reachable(request.param(), strokes=0).values()
    return [replace(life.seen, catalog=EMPTY) for life in found]


def is_concluded(workspace: Workspace) -> bool:
    """Whether all that was asked for is done, and on record."""
    return workspace.status.tuning is not None


def test_nothing_that_is_there_is_touched_and_the_reason_is_told(moments: list[Observed]) -> None:
    open_ones = [one for one in moments if not is_concluded(one.workspace)]

    assert len(open_ones) > 10
    for seen in open_ones:
        said = status(seen, plan(seen))
        assert [each for each in actions(seen) if not isinstance(each, AddFinalizer)] == []
        assert verdict(plan(seen)).reason == Reason.UNKNOWN_PRESET
        assert said.worker_nodes == seen.workspace.status.worker_nodes


def test_every_moment_can_be_deleted_to_the_end(moments: list[Observed]) -> None:
    held = [one for one in moments if one.workspace.metadata.finalizers]

    assert len(held) > 10
    assert [one for one in held if not is_gone(deleting(one))] == []


def is_gone(seen: Observed) -> bool:
    """Whether deletion comes to its end, if others do their part."""
    for _ in range(ROUNDS):
        world = World(seen)
        for action in actions(seen):
            world = world.after(action)
        if world.seen is None:
            return True
        seen = stored(world.seen, plan(world.seen))
        seen = next(helped(seen), seen)
    return False


def test_a_node_of_the_users_is_given_back_where_no_type_was_named() -> None:
    workspace = observed().workspace
    resource = workspace.resource.model_copy(update={"instance_type": None})
    used = workspace.status.model_copy(update={"worker_nodes": ("n",)})
    choiceless = workspace.model_copy(update={"resource": resource, "status": used})
    own = node({"apps": "phi", labels.CREATED_FOR: UID}, name="n")
    seen = deleting(observed(workspace=choiceless, nodes=(own,), catalog=EMPTY))

    assert actions(seen) != ()
    assert status(seen, plan(seen)).worker_nodes is not None
    assert is_gone(seen)
