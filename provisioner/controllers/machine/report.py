"""What a pass changed, told to people: Events, log lines and counters, once a transition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from prometheus_client import Counter

from kaito.kube.events import Recorder
from provisioner import metrics
from provisioner.controllers.machine.kinds import Aspect, ClaimKind
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import DONE, FAILED, WAITING, Step

log = structlog.get_logger()

CLAIM_FAILED = "claim.failed"
EVENTS: Mapping[Aspect, str] = {
    Aspect.LAUNCHED: "instance.started",
    Aspect.REGISTERED: "node.registered",
    Aspect.INITIALIZED: "node.initialized",
    Aspect.READY: "claim.readied",
}
"""Log event of each aspect that turns True."""

COUNTERS: Mapping[Aspect, Counter] = {
    Aspect.LAUNCHED: metrics.LAUNCHED,
    Aspect.REGISTERED: metrics.REGISTERED,
    Aspect.INITIALIZED: metrics.INITIALIZED,
}

SENTENCES: Mapping[Aspect, str] = {
    Aspect.LAUNCHED: "Agent pool {name} is running",
    Aspect.REGISTERED: "Node of agent pool {name} has joined the cluster",
    Aspect.INITIALIZED: "Node of agent pool {name} is usable",
    Aspect.READY: "Node of agent pool {name} is ready",
}

_QUIET = frozenset({Reason.ADOPTING, Reason.LOOKING})
"""Reasons that are over before anybody could read of them."""

_ON_NODE = frozenset({Aspect.REGISTERED, Aspect.INITIALIZED})
"""What a node waits for changes by the second as it comes up: its condition tells it."""


def transitions(seen: Observed, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps whose status or reason is not the stored one, one for each aspect."""
    latest = {step.aspect: step for step in steps}
    return tuple(
        step
        for step in latest.values()
        if (old := seen.condition(step.aspect)) is None
        or (old.status, old.reason) != (step.status, step.reason)
    )


def is_brief(seen: Observed, steps: Sequence[Step]) -> bool:
    """Whether the news is so young that what follows may be told with it."""
    waits = steps[-1].status == WAITING
    return waits and any(step.is_brief for step in transitions(seen, steps))


def told(recorder: Recorder, seen: Observed, steps: Sequence[Step]) -> None:
    """Tell of each transition."""
    news = transitions(seen, steps)
    for step in news:
        if step.status == FAILED:
            metrics.FAILED.labels(seen.kind.name, step.reason).inc()
            log.warning(CLAIM_FAILED, uid=seen.uid, reason=step.reason, error=step.message)
        if step.status == DONE:
            _celebrate(seen.kind, seen, step)
        if _has_event(step, news):
            recorder.event(
                seen.claim,
                seen.kind.resource,
                type="Warning" if step.status == FAILED else "Normal",
                reason=step.reason,
                message=step.message or SENTENCES[step.aspect].format(name=seen.name),
            )


def _has_event(step: Step, news: Sequence[Step]) -> bool:
    """Whether people get an Event: of several good news at once only of the last."""
    if step.reason in _QUIET or (step.status == WAITING and step.aspect in _ON_NODE):
        return False
    return step.status != DONE or step is [each for each in news if each.status == DONE][-1]


def _celebrate(kind: ClaimKind, seen: Observed, step: Step) -> None:
    """Log and count an aspect that turned True."""
    log.info(EVENTS[step.aspect], uid=seen.uid, instance=seen.name)
    if step.aspect in COUNTERS:
        COUNTERS[step.aspect].labels(kind.name).inc()
