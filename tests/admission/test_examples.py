"""What upstream's documentation shows for 0.3, in words of our own: the API server takes each.

Models on images of upstream's fit where its documentation puts them. Our own images serve and tune
these models on one GPU each, so that some of them need a larger one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kaito.api.workspace import Workspace
from kaito.catalog.catalog import read_catalog
from kaito.controllers.workspace.check import check_spec
from tests.admission.door import Door
from tests.unit.controllers.workspace.worlds import observed

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

EXAMPLES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted(Path("tests/admission/examples").glob("*.yaml"))
}
OURS = read_catalog(Path("presets"), origin="kaito")
UPSTREAMS = read_catalog(Path("presets"), origin="upstream")

NEED_A_LARGER_GPU = {
    *("inference-falcon-40b", "inference-falcon-40b-instruct"),
    *("inference-llama-2-13b", "inference-llama-2-13b-chat"),
    *("inference-llama-2-70b", "inference-llama-2-70b-chat"),
    *("inference-mistral-7b", "inference-mistral-7b-instruct"),
}
"""40 and 70 billion parameters of two bytes on one GPU of 80 GiB; 7 and 13 on one of 16 GiB."""


def in_version(wire: dict[str, Any], version: str) -> dict[str, Any]:
    """The same in a namespace, and in one of the versions that are served."""
    metadata = {**wire["metadata"], "namespace": "default"}
    return {**wire, "apiVersion": f"kaito.sh/{version}", "metadata": metadata}


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_the_api_server_takes_every_example(door: Door, version: str) -> None:
    answers = {
        name: await door.refusal(in_version(wire, version)) for name, wire in EXAMPLES.items()
    }

    assert len(answers) > 20
    assert {name: said for name, said in answers.items() if said} == {}


def refused(name: str, *, images: str) -> str:
    """What the controller says against an example, "" if nothing."""
    catalog = OURS if images == "kaito" else UPSTREAMS
    subject = Workspace.model_validate(EXAMPLES[name])
    step = check_spec(observed(workspace=subject, catalog=catalog))
    return "" if step.satisfied else f"{step.reason}: {step.message}"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("inference")])
async def test_on_upstreams_images_every_model_fits_where_its_documentation_puts_it(
    name: str,
) -> None:
    assert refused(name, images="upstream") == ""


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - NEED_A_LARGER_GPU))
async def test_on_our_images_an_example_goes_through(name: str) -> None:
    assert refused(name, images="kaito") == ""


@pytest.mark.parametrize("name", sorted(NEED_A_LARGER_GPU))
async def test_on_our_images_a_model_that_needs_a_larger_gpu_is_told_so(name: str) -> None:
    said = refused(name, images="kaito")

    assert said.startswith("NotEnoughGPUMemory: resource.instanceType: ")
    assert said.endswith("choose a larger instance type")
