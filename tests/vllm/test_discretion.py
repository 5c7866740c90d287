"""vLLM itself says whether it would report, in a process with what a pod of the catalogue has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hack.cluster.cache import cache_folder
from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Origin
from kaito.workloads.inference import Ground, rendered_inference
from tests.unit.controllers.workspace.worlds import workspace
from tests.unit.workloads.wire import container

pytestmark = pytest.mark.timeout(120)

PRESETS = Path(__file__).parents[2] / "presets"
ASK = """
from huggingface_hub import constants
from vllm.usage.usage_lib import is_usage_stats_enabled
print(is_usage_stats_enabled(), constants.HF_HUB_DISABLE_TELEMETRY, constants.HF_HUB_DISABLE_XET)
"""


def rendered(origin: Origin) -> set[frozenset[tuple[str, str]]]:
    """The plain variables of each server with vLLM, each set of them once."""
    presets = read_catalog(PRESETS, origin=origin).presets.values()
    servers = (
        container(rendered_inference(workspace(), preset, registry="", ground=Ground(gpus=1)))
        for preset in presets
        if preset.images and preset.image.runtime == "vllm"
    )
    plain = ((one for one in server["env"] if "value" in one) for server in servers)
    return {frozenset((one["name"], one["value"]) for one in each) for each in plain}


def answer(home: Path, *variables: tuple[str, str]) -> list[str]:
    """Whether vLLM reports, and whether the hub's library does not and has no second client."""
    environment = {**dict(variables), "HOME": str(home), "PATH": os.environ["PATH"]}
    python = cache_folder() / "vllm" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", ASK], env=environment, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()[-3:]


@pytest.mark.parametrize("origin", ["kaito", "upstream"])
def test_vllm_reports_to_nobody_in_the_pods_of_the_catalogue(
    origin: Origin, tmp_path: Path
) -> None:
    environments = rendered(origin)

    assert environments
    for environment in environments:
        assert answer(tmp_path, *environment) == ["False", "True", "True"]


def test_vllm_would_report_where_it_is_not_told(tmp_path: Path) -> None:
    assert answer(tmp_path) == ["True", "False", "False"]
