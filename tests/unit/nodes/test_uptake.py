"""How long a claim may stand still: our provisioner is to speak of it first."""

from __future__ import annotations

from dataclasses import asdict

from kaito.nodes.uptake import STILL_SECONDS
from provisioner.controllers.machine.observe import Deadlines
from provisioner.settings import Settings


def test_a_claim_may_stand_still_for_longer_than_each_stage_of_our_provisioner_may_take() -> None:
    settings = {
        name.replace("_deadline", ""): field.default
        for name, field in Settings.model_fields.items()
        if name.endswith("_deadline_seconds")
    }
    defaults = asdict(Deadlines())
    del defaults["deletes"]

    assert len(settings) == 4
    assert settings == defaults
    assert max(settings.values()) < STILL_SECONDS
