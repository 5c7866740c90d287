"""Decide what a workspace needs next. Pure: the state machine is these lists."""

from __future__ import annotations

from collections.abc import Callable

from kaito.controllers.workspace.check import check_spec
from kaito.controllers.workspace.claims import ensure_claims
from kaito.controllers.workspace.nodes import await_nodes
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.pinning import drop_nodes, pin_nodes, rest_nodes, unpin_nodes
from kaito.controllers.workspace.preflight import ensure_change, ensure_preflight
from kaito.controllers.workspace.release import (
    ensure_finalizer,
    release_finalizer,
    release_nodes,
    release_workload,
)
from kaito.controllers.workspace.step import Step
from kaito.controllers.workspace.tuning import (
    await_result,
    conclude,
    ensure_job,
    give_back,
    is_recorded,
    need_no_nodes,
)
from kaito.controllers.workspace.workload import ensure_service, ensure_workload

Phase = Callable[[Observed], Step]

BRING_UP: tuple[Phase, ...] = (
    check_spec,
    ensure_finalizer,
    ensure_preflight,
    drop_nodes,
    ensure_claims,
    await_nodes,
    pin_nodes,
    ensure_service,
    ensure_change,
    ensure_workload,
)
TUNE: tuple[Phase, ...] = (
    check_spec,
    ensure_finalizer,
    ensure_preflight,
    drop_nodes,
    ensure_claims,
    await_nodes,
    pin_nodes,
    ensure_job,
    await_result,
)
REST: tuple[Phase, ...] = (ensure_finalizer, give_back, rest_nodes, need_no_nodes, conclude)
"""What a tuning does whose result is on record."""
TEAR_DOWN: tuple[Phase, ...] = (release_workload, release_nodes, unpin_nodes, release_finalizer)
"""What is paid for goes before labels do: the right to take one off may be missing."""


def plan(seen: Observed) -> tuple[Step, ...]:
    """Run the phases in order, stopping after the first that holds the others up."""
    steps: list[Step] = []
    for phase in phases(seen):
        steps.append(phase(seen))
        if not steps[-1].satisfied and steps[-1].holds_up:
            break
    return tuple(steps)


def phases(seen: Observed) -> tuple[Phase, ...]:
    """The phases of this workspace: it comes up, tunes, rests or goes."""
    if seen.workspace.is_deleting:
        return TEAR_DOWN
    if seen.workspace.tuning is None:
        return BRING_UP
    return REST if is_recorded(seen) else TUNE
