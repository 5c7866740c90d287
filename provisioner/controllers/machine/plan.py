"""Decide what a claim needs next. Pure: no I/O, no clock, no chance.

Phases run in a fixed order, each hidden by an unsatisfied one before it. Every world has an
answer.
"""

from __future__ import annotations

from collections.abc import Callable

from kaito.api import labels
from provisioner.controllers.machine.drain import drain_nodes
from provisioner.controllers.machine.initialization import ensure_initialized
from provisioner.controllers.machine.launch import ensure_finalizer, ensure_launched
from provisioner.controllers.machine.liveness import ensure_alive, timed
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.registration import ensure_registered
from provisioner.controllers.machine.step import Step
from provisioner.controllers.machine.teardown import (
    release_finalizer,
    release_instance,
    release_nodes,
)

Phase = Callable[[Observed], Step]

BRING_UP: tuple[Phase, ...] = (
    ensure_finalizer,
    ensure_launched,
    ensure_registered,
    ensure_initialized,
    ensure_alive,
)
TEAR_DOWN: tuple[Phase, ...] = (drain_nodes, release_instance, release_nodes, release_finalizer)


def plan(seen: Observed) -> tuple[Step, ...]:
    """Run the phases in order, stopping after the first unsatisfied one."""
    if not seen.claim.is_deleting:
        return tuple(timed(seen, step) for step in _until_unsatisfied(seen, BRING_UP))
    if labels.TERMINATION_FINALIZER not in seen.claim.metadata.finalizers:
        return ()
    return _until_unsatisfied(seen, TEAR_DOWN)


def _until_unsatisfied(seen: Observed, phases: tuple[Phase, ...]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for phase in phases:
        steps.append(phase(seen))
        if not steps[-1].satisfied:
            break
    return tuple(steps)
