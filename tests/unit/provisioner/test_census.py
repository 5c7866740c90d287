"""Claims, counted for Prometheus."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry

from kaito.api.machine import Machine
from kaito.kube.exposition import Census
from provisioner.controllers.machine.kinds import MACHINE
from provisioner.controllers.machine.metrics import census
from provisioner.controllers.machine.observe import Deadlines
from tests.unit.cli import scenes


def a_machine(*conditions: scenes.Wire, seconds: float) -> Machine:
    """A claim of that age."""
    claim = scenes.a_machine(*conditions)
    born = {"creation_timestamp": scenes.NOW - timedelta(seconds=seconds)}
    return claim.model_copy(update={"metadata": claim.metadata.model_copy(update=born)})


def test_claims_are_counted_by_what_they_wait_for_and_the_oldest_is_told() -> None:
    launching = scenes.condition("MachineLaunched", "False", "QuotaExceeded")
    done = [
        scenes.condition(f"Machine{each}", "True")
        for each in ("Launched", "Registered", "Initialized")
    ]
    claims = [
        a_machine(launching, seconds=10),
        a_machine(launching, seconds=700),
        a_machine(*done, seconds=9000),
        a_machine(seconds=1),
    ]
    registry = CollectorRegistry()
    count = census(lambda: ((MACHINE, each) for each in claims), Deadlines(), lambda: scenes.NOW)
    registry.register(Census(count))

    def value(name: str, reason: str) -> float | None:
        return registry.get_sample_value(name, {"kind": "Machine", "reason": reason})

    assert value("kaito_claims", "QuotaExceeded") == 2
    assert value("kaito_claims", "Ready") == 1
    assert value("kaito_claims", "Adopting") == 1
    assert value("kaito_claim_age_seconds", "QuotaExceeded") == 700
    assert registry.get_sample_value("kaito_claim_deadline_seconds") == 3600
