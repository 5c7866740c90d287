"""Every pod that we render, offered to a namespace that enforces the level `restricted`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kaito.api.workspace import Workspace
from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Preset
from kaito.kube.errors import KubeError
from kaito.workloads.carrier import PLAIN_CARRIER
from kaito.workloads.inference import Ground, rendered_inference
from kaito.workloads.preflight import rendered_preflight
from kaito.workloads.tuning import rendered_tuning
from tests.admission.door import DRY, Door

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TIGHT = "tight"
LABELS = {"pod-security.kubernetes.io/enforce": "restricted"}
PRESETS = {
    f"{origin}: {preset.name}": preset
    for origin in ("kaito", "upstream")
    for preset in read_catalog(Path("presets"), origin=origin).presets.values()
    if preset.images
}
RESTRICTED = {key: preset for key, preset in PRESETS.items() if not preset.image.needs_root}
ROOTED = {key: preset for key, preset in PRESETS.items() if preset.image.needs_root}
SOURCE = {"name": "legal", "image": "registry.example/legal:1", "imagePullSecrets": ["pull"]}
ADAPTERS = [{"source": SOURCE}]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def tight(door: Door) -> AsyncIterator[None]:
    """The namespace, and the account that a controller manager would make in it."""
    namespace = {"metadata": {"name": TIGHT, "labels": LABELS}}
    await door.client.request("POST", "/api/v1/namespaces", body=namespace)
    accounts = f"/api/v1/namespaces/{TIGHT}/serviceaccounts"
    await door.client.request("POST", accounts, body={"metadata": {"name": "default"}})
    yield
    await door.client.request("DELETE", f"{accounts}/default")


def a_workspace(**part: object) -> Workspace:
    return Workspace.model_validate(
        {
            "metadata": {"name": "w", "namespace": TIGHT, "uid": "u"},
            "resource": {"labelSelector": {"matchLabels": {"apps": "phi"}}},
            **part,
        }
    )


def serving(preset: Preset) -> Workspace:
    adapters = ADAPTERS if preset.image.origin == "kaito" else []
    return a_workspace(inference={"preset": {"name": preset.name}, "adapters": adapters})


def tuning(preset: Preset) -> Workspace:
    return a_workspace(
        tuning={
            "preset": {"name": preset.name},
            "method": "qlora",
            "config": "parameters",
            "input": {"image": "registry.example/data:1"},
            "output": {"image": "registry.example/adapter:1", "imagePushSecret": "push"},
        }
    )


def server_pod(preset: Preset) -> Mapping[str, Any]:
    ground = Ground(gpus=1)
    return made_by(rendered_inference(serving(preset), preset, registry="", ground=ground))


def made_by(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pod as a workload makes them."""
    template = workload["spec"]["template"]
    return {**template, "metadata": {**template["metadata"], "name": "w"}}


async def refusal(door: Door, pod: Mapping[str, Any]) -> str:
    """What the API server says against a pod."""
    try:
        await door.client.request("POST", f"/api/v1/namespaces/{TIGHT}/pods", params=DRY, body=pod)
    except KubeError as error:
        return error.message
    return ""


async def test_the_level_is_enforced(door: Door) -> None:
    plain = {"metadata": {"name": "w"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}

    assert 'violates PodSecurity "restricted' in await refusal(door, plain)


async def test_every_server_that_claims_to_be_restricted_is_admitted(door: Door) -> None:
    answers = {key: await refusal(door, server_pod(preset)) for key, preset in RESTRICTED.items()}

    assert len(answers) > 1
    assert {key: said for key, said in answers.items() if said} == {}


async def test_every_server_that_needs_root_is_refused_for_that_alone(door: Door) -> None:
    answers = {key: await refusal(door, server_pod(preset)) for key, preset in ROOTED.items()}

    assert answers
    assert [key for key, said in answers.items() if "runAsNonRoot != true" not in said] == []
    assert [key for key, said in answers.items() if "seccompProfile" in said] == []


async def test_every_trainer_that_claims_to_be_restricted_is_admitted(door: Door) -> None:
    jobs = {
        key: rendered_tuning(tuning(preset), preset, registry="", carrier=PLAIN_CARRIER)
        for key, preset in RESTRICTED.items()
        if preset.image.runtime == "transformers"
    }
    answers = {key: await refusal(door, made_by(job)) for key, job in jobs.items()}

    assert answers
    assert {key: said for key, said in answers.items() if said} == {}


@pytest.mark.parametrize("look", [serving, tuning])
async def test_the_pod_that_looks_at_registries_is_admitted(door: Door, look: Any) -> None:
    preset = next(iter(RESTRICTED.values()))

    assert await refusal(door, rendered_preflight(look(preset), PLAIN_CARRIER)) == ""
