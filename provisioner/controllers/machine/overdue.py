"""Claims for which no agent pool could be asked for within the deadline. Pure.

Such a claim keeps the reason of what stands in its way, which says what to do; waiting for it has
been no answer for too long, so its condition is False from then on. It is tried on as before, for
what stands in the way of one claim would stand in the way of the next as well.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.step import FAILED, WAITING, DeleteClaim, Step
from provisioner.failures import MEANINGS, OVERDUE

REFUSALS = frozenset(row.reason for row in MEANINGS.values())


def unlaunched(seen: Observed, step: Step) -> Step:
    """`step`, failed where the claim is too old to go on waiting for its first instance."""
    born = seen.claim.metadata.creation_timestamp
    if step.aspect is not Aspect.LAUNCHED or seen.was_launched or born is None:
        return step
    if step.satisfied or (step.status == WAITING and step.reason not in REFUSALS):
        return step
    if step.status == FAILED and not seen.deadlines.deletes:
        return step
    remaining = seen.deadlines.launch_seconds - (seen.moment.now - born).total_seconds()
    if remaining > 0:
        return replace(step, recheck_seconds=min(remaining, step.recheck_seconds or remaining))
    if seen.deadlines.deletes:
        return replace(step, status=FAILED, actions=(DeleteClaim(),))
    return replace(step, status=FAILED, message=f"{OVERDUE}{step.message}")
