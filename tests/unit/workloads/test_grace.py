"""What a server does when its pod is told to end is over before the pod is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from front.launch import DRAIN, DRAIN_FLAG
from serving.settings import Settings

from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Preset
from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.workloads.wire import container, pod

OURS = read_catalog(Path("presets"), origin="kaito").presets.values()
DRAINS = {
    "transformers": int(Settings().drain_seconds),
    "vllm": int(DRAIN.removeprefix(DRAIN_FLAG)),
}
"""Seconds by engine that requests get, where the command line says nothing."""
FLAGS = ("--drain-seconds", DRAIN_FLAG)
EXIT_SECONDS = 10
"""What a process may need to end, with nothing left to answer."""


@pytest.mark.parametrize("preset", OURS, ids=[preset.name for preset in OURS])
def test_requests_are_drained_within_the_grace_of_each_pod(preset: Preset) -> None:
    made = rendered_inference(workspace(), preset, registry="", ground=Ground(gpus=1))

    assert DRAINS[preset.image.runtime] + EXIT_SECONDS <= pod(made)["terminationGracePeriodSeconds"]
    assert "lifecycle" not in container(made), "a hook takes its time out of the same grace"
    assert not [word for word in container(made)["command"] if word.startswith(FLAGS)]
