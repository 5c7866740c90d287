"""What sizing answers about a workspace as a whole, serving or tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaito.catalog.catalog import read_catalog
from kaito.nodes.hardware import fit_on, instance_type, verdict
from kaito.nodes.report import Measured
from tests.unit.controllers.workspace.worlds import workspace

CATALOG = read_catalog(Path("presets"), origin="kaito")
PHI = CATALOG.presets["phi-3-mini-4k-instruct"]
RESOURCE = {"labelSelector": {"matchLabels": {"apps": "phi"}}}


def tuning(method: str) -> dict[str, object]:
    """The tuning of a workspace."""
    return {
        "preset": {"name": PHI.name},
        "method": method,
        "input": {"urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example/adapter:1", "imagePushSecret": "push"},
    }


@pytest.mark.parametrize(("method", "fits"), [("qlora", True), ("QLoRA", True), ("lora", False)])
def test_a_tuning_workspace_is_answered_by_its_method(method: str, *, fits: bool) -> None:
    subject = workspace(inference=None, tuning=tuning(method))
    sixteen_gib = CATALOG.skus["Standard_NC6s_v3"]

    answer = verdict(subject, PHI, sixteen_gib)

    assert answer.fits is fits
    assert f"for {method.lower()} with sequences of 2048 tokens" in answer.sentence
    assert fit_on(Measured(sixteen_gib), subject, PHI) == answer


def test_the_smallest_type_for_tuning_is_not_the_smallest_for_serving() -> None:
    serving = workspace(resource=RESOURCE)
    training = workspace(resource=RESOURCE, inference=None, tuning=tuning("lora"))

    assert instance_type(serving, PHI, CATALOG.skus) == "Standard_NC4as_T4_v3"
    assert instance_type(training, PHI, CATALOG.skus) == "Standard_NV36ads_A10_v5"
