"""A line of the provisioner's log leads back to the pass of kaito that asked for the node."""

from __future__ import annotations

import pytest
import structlog

from provisioner.controllers.machine.kinds import KINDS, ClaimKind
from tests.unit.provisioner.simulation import World


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_line_names_the_workspace_and_the_reconcile_that_asked(kind: ClaimKind) -> None:
    world = World(kind)
    world.create(
        metadata={
            "labels": {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "team"},
            "annotations": {"kaito.sh/reconcile": "0a1b2c3d4e5f"},
        }
    )

    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as logs:
        await world.settle()

    asked = [
        (each.get("workspace"), each.get("workspace_namespace"), each.get("created_by"))
        for each in logs
    ]
    assert {"instance.launched", "node.registered", "claim.readied"} <= {
        each["event"] for each in logs
    }
    assert asked == [("phi", "team", "0a1b2c3d4e5f")] * len(logs)
