"""Tuning: the quick starts to a pushed adapter that is served, and interruptions on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from hack.cluster.process import Process
from hack.cluster.registry.server import registry
from hack.cluster.state import State
from tests.behaviour.tuning import EXAMPLES, PUSH, SEEDS, TAUGHT, Ground, tuning_ground
from tests.bystander import condition

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

STEPS_SAVED = """\
training_config:
  TrainingArguments:
    num_train_epochs: 100
    save_strategy: steps
    save_steps: 20
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with tuning_ground(request.config) as found:
        await found.namespace("default")
        yield found


def trainer_of(namespace: str) -> int:
    """Process id of the only trainer whose Job is in a namespace."""
    image = f"/team/{namespace}:0.0.1"
    found = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if _is_trainer(folder, image=image)
    ]
    assert len(found) == 1, found
    return found[0]


def _is_trainer(folder: Path, *, image: str) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    has_image = any(word.startswith("--output-image=") and word.endswith(image) for word in words)
    return has_image and words[0].endswith("python")


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_seed_as_it_stands_names_what_to_fill_in_and_buys_nothing(
    ground: Ground, seed: str
) -> None:
    namespace = f"untouched-{seed}"
    await ground.kubectl("create", "namespace", namespace)
    await ground.kubectl("apply", "-n", namespace, "-f", str(EXAMPLES / f"{seed}.yaml"))
    name = yaml.safe_load((EXAMPLES / f"{seed}.yaml").read_text())["metadata"]["name"]

    message = await ground.said(namespace, name, "PlaceholderNotReplaced")

    assert "tuning.output.image holds the placeholder ACR_REPO_HERE" in message
    assert "tuning.output.imagePushSecret holds the placeholder ACR_REGISTRY_SECRET" in message
    assert await ground.claims(namespace, name) == []
    await ground.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_the_quick_start_ends_in_a_pushed_image_and_gives_its_node_back(
    ground: Ground,
) -> None:
    name = await ground.tune("default")

    status = await ground.succeeds("default", name)

    result = status["tuning"]
    said = {one["type"]: one["status"] for one in status["conditions"]}
    assert result["image"] == ground.image("default")
    assert result["digest"] == await ground.digest("default")
    assert result["steps"] == 120
    assert float(result["loss"]) < 1
    assert said["JobStarted"] == said["WorkspaceSucceeded"] == said["Ready"] == "True"
    assert await ground.cluster.pools() == []


async def test_progress_is_told_with_step_total_loss_and_time_left(ground: Ground) -> None:
    told = ground.told("default", "training.progressed")

    assert [each["step"] for each in told] == list(range(10, 121, 10))
    assert {each["total"] for each in told} == {120}
    assert told[-1]["loss"] < told[0]["loss"]
    assert told[-1]["eta_seconds"] == 0


async def test_what_was_pushed_changes_the_answer_of_the_adapter_quick_start(
    ground: Ground,
) -> None:
    text = (EXAMPLES / "inference-phi-3-mini-with-adapter.yaml").read_text()
    wire = yaml.safe_load(
        text.replace("ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1", ground.image("default"))
    )
    wire["inference"]["adapters"][0]["source"]["imagePullSecrets"] = [PUSH]
    name = wire["metadata"]["name"]
    await ground.kubectl("apply", "-f", "-", stdin=json.dumps(wire))
    await ground.kubectl("wait", "workspace", name, "--for=condition=Ready", "--timeout=200s")

    base = await ground.answer(name, "phi-3-mini-128k-instruct")
    adapted = await ground.answer(name, "phi-3-adapter")

    assert adapted == TAUGHT
    assert base != TAUGHT
    await ground.kubectl("delete", "workspace", name)


async def test_the_other_seeds_run_to_the_end_too(ground: Ground) -> None:
    for namespace, seed in (("four", SEEDS[1]), ("long", SEEDS[2])):
        await ground.namespace(namespace)
        name = await ground.tune(namespace, seed)

        status = await ground.succeeds(namespace, name)

        assert status["tuning"]["digest"] == await ground.digest(namespace)


async def test_a_trainer_that_is_killed_goes_on_in_its_pod_from_what_it_saved(
    ground: Ground,
) -> None:
    await ground.namespace("killed")
    await ground.parameters("killed", STEPS_SAVED)
    name = await ground.tune("killed", config="mine")
    saved = (await ground.until_told("killed", "checkpoint.saved"))[0]["step"]

    os.kill(trainer_of("killed"), signal.SIGKILL)
    resumed = (await ground.until_told("killed", "training.resumed"))[0]["step"]
    status = await ground.succeeds("killed", name)

    pods = await ground.cluster.items("/api/v1/namespaces/killed/pods", "kaito.sh/workspace")
    assert resumed >= saved
    assert status["tuning"]["steps"] == 600
    assert len(pods) <= 1


async def test_a_tuning_whose_pod_is_deleted_goes_on_from_the_registry(ground: Ground) -> None:
    await ground.namespace("deleted")
    await ground.parameters("deleted", STEPS_SAVED)
    name = await ground.tune("deleted", config="mine")
    kept = (await ground.until_told("deleted", "checkpoint.kept"))[0]["step"]

    labels = f"kaito.sh/workspace={name}"
    await ground.kubectl("delete", "pod", "-n", "deleted", "-l", labels, "--wait=false")
    restored = (await ground.until_told("deleted", "checkpoint.restored"))[0]["step"]
    status = await ground.succeeds("deleted", name)

    assert restored >= kept
    assert ground.told("deleted", "training.resumed")[0]["step"] == restored
    assert status["tuning"]["steps"] == 600


async def test_a_registry_that_is_away_is_waited_for_and_the_adapter_kept(ground: Ground) -> None:
    layout = ground.cluster.layout
    await ground.namespace("away")
    name = await ground.tune("away")
    await ground.until_told("away", "training.progressed")

    state = State.load(layout.home)
    assert state
    (part,) = [one for one in state.parts if one.name == "registry"]
    os.kill(part.pid, signal.SIGTERM)
    await ground.until_told("away", "training.finished")
    waiting = await ground.workspace("away", name)
    again = await Process.start(registry(layout), folder=layout.home, logs=layout.logs)
    try:
        status = await ground.succeeds("away", name)

        assert condition(waiting, "Ready")["status"] == "False"
        assert status["tuning"]["digest"] == await ground.digest("away")
    finally:
        await ground.kubectl("delete", "workspace", "-n", "away", name)
        await again.stop()
