"""When a kubelet ends a container because a probe does not pass. Pure.

The end itself does not say so: it looks like any other exit by a signal. But a kubelet's probes
come at a known pace, so the time that such a container has run is known, too: of one whose startup
probe never passed on both sides, of one that was alive at first how long it runs at least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kaito.kube.kinds import ContainerTerminated

_PERIOD_SECONDS = 10
_FAILURES = 3
_TIMEOUT_SECONDS = 1
_GRACE_SECONDS = 30
"""What the API server fills in where a pod says nothing."""
_SLACK_SECONDS = 30
"""How late a busy kubelet may be."""


class ProbeLimit(NamedTuple):
    """The seconds of its life in which a container is ended for a probe that fails."""

    earliest_seconds: float
    latest_seconds: float

    def is_met(self, ended: ContainerTerminated) -> bool:
        """Whether a container that has ended was ended for that."""
        if ended.started_at is None or ended.finished_at is None:
            return False
        ran_seconds = (ended.finished_at - ended.started_at).total_seconds()
        return self.earliest_seconds <= ran_seconds <= self.latest_seconds


def startup_limits(template: Mapping[str, object]) -> Mapping[str, ProbeLimit]:
    """The limit of each container of a pod template that has a startup probe, by its name."""
    spec = _mapping(template.get("spec"))
    grace = _number(spec, "terminationGracePeriodSeconds", _GRACE_SECONDS)
    return {
        name: _limit(probe, grace_seconds=grace)
        for name, probe in _probes(template, "startupProbe")
    }


def liveness_limits(template: Mapping[str, object]) -> Mapping[str, ProbeLimit]:
    """The same of those that have a liveness probe, which may fail at any later time."""
    return {
        name: _limit(probe, grace_seconds=math.inf)
        for name, probe in _probes(template, "livenessProbe")
    }


def _probes(template: Mapping[str, object], key: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Name and probe of the containers that have one of that kind."""
    for container in containers_of(template):
        if probe := _mapping(container.get(key)):
            yield str(container.get("name")), probe


def _limit(probe: Mapping[str, object], *, grace_seconds: float) -> ProbeLimit:
    """When the last failure that a probe allows is known, and how long the end may take then."""
    first = _number(probe, "initialDelaySeconds", 0)
    period = _number(probe, "periodSeconds", _PERIOD_SECONDS)
    timeout = _number(probe, "timeoutSeconds", _TIMEOUT_SECONDS)
    count = _number(probe, "failureThreshold", _FAILURES)
    pace = max(period, timeout)
    latest = first + pace * (count + 1) + grace_seconds + _SLACK_SECONDS
    return ProbeLimit(first + period * (count - 1), latest)


def containers_of(template: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """All containers of a pod template, those that run before the others first."""
    spec = _mapping(template.get("spec"))
    for key in ("initContainers", "containers"):
        listed = spec.get(key)
        yield from map(_mapping, listed if isinstance(listed, list) else ())


def _mapping(value: object) -> Mapping[str, object]:
    """An object on the wire; whatever else stands there is for the API server to refuse."""
    return value if isinstance(value, Mapping) else {}


def _number(within: Mapping[str, object], key: str, default: float) -> float:
    """A number on the wire."""
    found = within.get(key)
    return float(found) if isinstance(found, int) else default
