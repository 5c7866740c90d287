"""Claims of ours, counted by what they wait for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from provisioner.controllers.machine.kinds import DEPENDENTS, Claim, ClaimKind
from provisioner.controllers.machine.observe import Deadlines
from provisioner.controllers.machine.reasons import Reason

Known = Callable[[], Iterable[tuple[ClaimKind, Claim]]]
"""All claims of ours, with their Kinds."""


def census(
    claims: Known, deadlines: Deadlines, now: Callable[[], datetime]
) -> Callable[[], Iterator[Metric]]:
    """What counts the claims at the time of a scrape."""

    def count() -> Iterator[Metric]:
        counted: dict[tuple[str, str], float] = defaultdict(float)
        oldest: dict[tuple[str, str], float] = {}
        for kind, claim in claims():
            key = kind.name, waits_for(kind, claim)
            counted[key] += 1
            oldest[key] = max(oldest.get(key, 0.0), _age_seconds(claim, now()))
        yield _family("kaito_claims", "Claims by what they wait for", counted)
        yield _family("kaito_claim_age_seconds", "Age of the oldest of them", oldest)
        whole = (
            deadlines.launch_seconds
            + deadlines.registration_seconds
            + deadlines.initialization_seconds
        )
        yield GaugeMetricFamily(
            "kaito_claim_deadline_seconds", "From a claim's creation to a usable node", value=whole
        )

    return count


def waits_for(kind: ClaimKind, claim: Claim) -> str:
    """The reason of the first stage that a claim has not reached; "Ready" when it has them all."""
    if claim.is_deleting:
        return str(Reason.TERMINATING)
    for aspect in DEPENDENTS:
        stored = kind.condition(claim, aspect)
        if stored is None:
            return str(Reason.ADOPTING)
        if stored.status != "True":
            return stored.reason
    return str(Reason.READY)


def _age_seconds(claim: Claim, now: datetime) -> float:
    """Seconds since a claim was created."""
    created = claim.metadata.creation_timestamp
    return max(0.0, (now - created).total_seconds()) if created else 0.0


def _family(name: str, text: str, values: dict[tuple[str, str], float]) -> Metric:
    """One family by Kind and reason."""
    family = GaugeMetricFamily(name, text, labels=("kind", "reason"))
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family
