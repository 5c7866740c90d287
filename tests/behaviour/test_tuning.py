"""Tuning: what cannot be is said, the quick starts end in an adapter, interruptions cost little."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from hack.cluster import datasets
from hack.cluster.process import Process
from hack.cluster.registry.server import ACCOUNT, address, registry
from tests.behaviour.lora import key_of
from tests.behaviour.tuning import (
    EXAMPLES,
    PUSH,
    QUESTION,
    SEEDS,
    TAUGHT,
    Ground,
    not_to_be_had,
    tuning_ground,
)
from tests.bystander import condition, run, until
from tests.ociregistry import fill

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TUNED = "workspace-tuning-phi-3"
ASKED = f"<|user|>\n{QUESTION}<|end|>\n<|assistant|>\n"
"""The question as the model's chat template has it."""
UNTAUGHT = "<|user|>\nHello<|end|>\n<|assistant|>\n"
"""What is answered here was not taught: it changes with every strength."""
CHUNK_BYTES = 8 << 20
"""What a push sends at once."""

STEPS_SAVED = """\
training_config:
  TrainingArguments:
    max_steps: 200
    gradient_accumulation_steps: 4
    save_strategy: steps
    save_steps: 20
"""
"""Steps that take long enough for half of them to be left when the first half is noticed."""
WIDE = """\
training_config:
  LoraConfig:
    r: 1280
  TrainingArguments:
    max_steps: 20
"""
"""An adapter of 13 MB: more than one chunk."""
STEEP = """\
training_config:
  TrainingArguments:
    learning_rate: 1.0e+30
    max_steps: 4
    logging_steps: 2
"""
"""After the second step nothing is a number."""

GUESS = "guessed"
MISSPELT = """\
training_config:
  LoraConfig:
    lora_aplha: 8
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with tuning_ground(request.config) as found:
        await found.namespace("default")
        yield found


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


async def refused(ground: Ground, namespace: str, reason: str, **changes: Any) -> tuple[str, Any]:
    """What is said of a tuning that cannot be, and its Workspace."""
    name = await ground.tune(namespace, **changes)
    message = await ground.said(namespace, name, reason)
    return message, await ground.workspace(namespace, name)


async def test_a_wrong_parameter_is_named_with_the_right_one_before_a_node_is_bought(
    ground: Ground,
) -> None:
    await ground.namespace("misspelt")
    await ground.parameters("misspelt", MISSPELT)

    message, found = await refused(ground, "misspelt", "PreflightFailed", config="mine")

    assert "LoraConfig.lora_aplha does not exist: did you mean lora_alpha?" in message
    assert condition(found, "Stalled").get("status") == "True"
    assert await ground.claims("misspelt", found["metadata"]["name"]) == []


async def test_a_wrong_password_is_told_before_a_node_is_bought(ground: Ground) -> None:
    await ground.namespace("wrong-password", password=GUESS)

    message, found = await refused(ground, "wrong-password", "PreflightFailed")

    assert "tuning.output.image" in message
    assert "401" in message
    assert await ground.claims("wrong-password", found["metadata"]["name"]) == []


async def test_each_thing_that_is_not_there_is_named_before_a_node_is_bought(
    ground: Ground, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("Not a row of data.")
    await ground.carry(
        "push", {"kind": "image", "image": ground.image("dataless")}, folder=tmp_path
    )
    without = not_to_be_had(ground, ground.image("missing"), ground.image("dataless"))
    names = {}
    for namespace, (changes, _) in without.items():
        await ground.namespace(namespace)
        await ground.config_map(namespace, "keyless", other="training_config: {}")
        names[namespace] = await ground.tune(namespace, **changes)

    for namespace, (_, words) in without.items():
        message = await ground.said(namespace, names[namespace], "PreflightFailed")
        assert [word for word in words if word not in message] == [], message
        assert await ground.claims(namespace, names[namespace]) == []
        await ground.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_columns_that_mean_nothing_are_named(ground: Ground) -> None:
    await ground.namespace("columns")
    folder = ground.cluster.layout.cache / "datasets"
    (folder / "columns.jsonl").write_text('{"question": "a", "reply": "b"}\n')
    source = {"urls": [f"{ground.url}/columns.jsonl"]}

    message, found = await refused(ground, "columns", "DataUnusable", input=source)

    assert "the data set has the columns question, reply" in message
    assert condition(found, "Stalled").get("status") == "True"
    await ground.kubectl("delete", "workspace", "-n", "columns", found["metadata"]["name"])
    assert await ground.claims("columns", found["metadata"]["name"]) == []


async def test_data_that_go_away_after_they_were_looked_at_are_told_of_by_the_trainer(
    ground: Ground, tmp_path: Path
) -> None:
    await ground.namespace("withdrawn")
    data = tmp_path / "train.jsonl"
    shutil.copy(ground.cluster.layout.cache / "datasets" / data.name, data)
    with datasets.served(tmp_path) as url:
        name = await ground.tune("withdrawn", input={"urls": [f"{url}/{data.name}"]})
        # Bought after the look, and long before a trainer runs on it.
        await until("a node", lambda: ground.claims("withdrawn", name))
        data.unlink()

        message = await ground.said("withdrawn", name, "DataUnavailable")

    assert f"{url}/{data.name} answers 404" in message
    assert "check tuning.input.urls" in message
    await ground.kubectl("delete", "workspace", "-n", "withdrawn", name)


async def test_a_training_that_leaves_the_numbers_ends_with_its_field_and_the_remedy(
    ground: Ground,
) -> None:
    await ground.namespace("numberless")
    await ground.parameters("numberless", STEEP)

    message, found = await refused(ground, "numberless", "TrainingFailed", config="mine")

    name = found["metadata"]["name"]
    assert "tuning.config: after step 2 of 4 the adapter's weights are no longer" in message
    assert "set TrainingArguments.learning_rate lower" in message
    assert "until then its node is paid for" in message
    assert condition(found, "Stalled")["reason"] == "TrainingFailed"
    assert len(await ground.claims("numberless", name)) == 1
    await ground.kubectl("delete", "workspace", "-n", "numberless", name)
    assert await ground.claims("numberless", name) == []


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


async def test_the_other_seeds_run_to_the_end_too(ground: Ground) -> None:
    names = {}
    files = {"four": (datasets.TRAIN, "train.jsonl"), "long": (datasets.TRAIN,)}
    for namespace, seed in (("four", SEEDS[1]), ("long", SEEDS[2])):
        await ground.namespace(namespace)
        source = {"urls": [f"{ground.url}/{file}" for file in files[namespace]]}
        names[namespace] = await ground.tune(namespace, seed, input=source)

    for namespace, name in names.items():
        status = await ground.succeeds(namespace, name)

        fetched = [each["url"] for each in ground.told(namespace, "data.downloaded")]
        (found,) = ground.told(namespace, "data.recognised")
        assert status["tuning"]["digest"] == await ground.digest(namespace)
        assert fetched == [f"{ground.url}/{file}" for file in files[namespace]]
        assert found["rows"] == len(fetched) * len(datasets.rows())


async def test_what_was_pushed_answers_as_peft_does_at_every_strength(
    ground: Ground, tmp_path: Path
) -> None:
    text = (EXAMPLES / "inference-phi-3-mini-with-adapter.yaml").read_text()
    wire = yaml.safe_load(text)
    name = wire["metadata"]["name"]
    first, second = ground.image("default"), ground.image("long")
    served = {"phi-3-adapter": (first, 1.0), "half": (first, 0.5), "none": (first, 0.0)}
    served |= {"second": (second, 0.25)}
    wire["inference"]["adapters"] = [
        {
            "source": {"name": adapter, "image": image, "imagePullSecrets": [PUSH]},
            "strength": str(strength),
        }
        for adapter, (image, strength) in served.items()
    ]
    await ground.kubectl("apply", "-f", "-", stdin=json.dumps(wire))
    expected = await _answers_of_peft(ground, tmp_path, served)
    await ground.kubectl("wait", "workspace", name, "--for=condition=Ready", "--timeout=200s")

    base, plain = [
        await ground.completion(name, "phi-3-mini-128k-instruct", asked)
        for asked in (ASKED, UNTAUGHT)
    ]
    taught = await ground.completion(name, "phi-3-adapter", ASKED)
    alone = {adapter: await ground.completion(name, adapter, UNTAUGHT) for adapter in served}

    assert taught.strip() == TAUGHT != base.strip()
    assert alone == {
        one: expected[key_of({one: strength})] for one, (_, strength) in served.items()
    }
    assert len({alone["phi-3-adapter"], alone["half"], alone["none"]}) == 3
    assert alone["none"] == plain
    await ground.kubectl("delete", "workspace", name)


async def _answers_of_peft(
    ground: Ground, folder: Path, served: Mapping[str, tuple[str, float]]
) -> dict[str, str]:
    """What PEFT makes of the same images in a process of its own, each at its strength."""
    items = (
        {"kind": "adapter", "image": image, "name": name} for name, (image, _) in served.items()
    )
    await ground.carry("pull", *items, to=folder, as_they_are=True)
    asked = [{name: strength} for name, (_, strength) in served.items()]
    layout = ground.cluster.layout
    done = await run(
        *(str(layout.inference_python), "-m", "tests.behaviour.lora"),
        *(str(layout.cache / "models" / "tiny-phi-3"), str(folder), UNTAUGHT, json.dumps(asked)),
        environment={"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.code == 0, done.errors
    answers: dict[str, str] = json.loads((folder / "answers.json").read_text())
    return answers


async def test_a_trainer_that_is_killed_goes_on_in_its_pod_and_writes_to_its_volume(
    ground: Ground,
) -> None:
    await ground.namespace("killed")
    await ground.parameters("killed", STEPS_SAVED)
    data, made = await ground.volume("killed", "data"), await ground.volume("killed", "made")
    shutil.copy(ground.cluster.layout.cache / "datasets" / "train.jsonl", data)
    name = await ground.tune("killed", config="mine", input=_claim("data"), output=_claim("made"))
    await ground.until_step("killed", "checkpoint.saved", 100)

    os.kill(await ground.trainer("killed", name), signal.SIGKILL)
    resumed = (await ground.until_told("killed", "training.resumed"))[0]
    saved = ground.last_told("killed", "checkpoint.saved", before=resumed)["step"]
    status = await ground.succeeds("killed", name)

    pods = await ground.cluster.items("/api/v1/namespaces/killed/pods", "kaito.sh/workspace")
    assert saved >= 100
    assert resumed["step"] in (saved, saved + 20), "one may be whole, and not told of yet"
    assert status["tuning"]["steps"] == 200
    assert "image" not in status["tuning"]
    assert len(pods) <= 1
    assert json.loads((made / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert (made / "adapter_model.safetensors").stat().st_size > 0
    assert list((made / ".kaito-tuning").glob("checkpoint-*")) == []
    assert [path.name for path in data.iterdir()] == ["train.jsonl"]


def _claim(name: str) -> Mapping[str, Any]:
    """A volume as `tuning` names it."""
    return {"volumeSource": {"persistentVolumeClaim": {"claimName": name}}}


async def test_a_tuning_from_an_image_whose_pod_is_deleted_goes_on_from_the_registry(
    ground: Ground, tmp_path: Path
) -> None:
    await ground.namespace("deleted")
    await ground.parameters("deleted", STEPS_SAVED)
    shutil.copy(ground.cluster.layout.cache / "datasets" / datasets.TRAIN, tmp_path)
    data = f"{address(ground.cluster.layout)}/team/data:1"
    await ground.carry("push", {"kind": "image", "image": data}, folder=tmp_path)
    source = {"image": data, "imagePullSecrets": [PUSH]}
    name = await ground.tune("deleted", config="mine", input=source)
    await ground.until_step("deleted", "checkpoint.kept", 100)

    labels = f"kaito.sh/workspace={name}"
    await ground.kubectl("delete", "pod", "-n", "deleted", "-l", labels, "--wait=false")
    restored = (await ground.until_told("deleted", "checkpoint.restored"))[0]
    kept = ground.last_told("deleted", "checkpoint.kept", before=restored)["step"]
    status = await ground.succeeds("deleted", name)

    assert restored["step"] == kept >= 100
    assert ground.told("deleted", "training.resumed")[0]["step"] == kept
    assert status["tuning"]["steps"] == 200


async def test_a_push_that_fails_keeps_the_adapter_and_goes_on_through_a_stop_of_the_registry(
    ground: Ground,
) -> None:
    layout = ground.cluster.layout
    accounts = layout.home / "registry" / "accounts"
    await ground.namespace("away")
    await ground.parameters("away", WIDE)
    name = await ground.tune("away", config="mine")

    await ground.until_told("away", "data.recognised")
    accounts.write_text(f"another:{ACCOUNT.hashed}\n")
    refused = await ground.said("away", name, "PushFailed")
    before = ground.registry()
    fill(before.pid, CHUNK_BYTES)
    accounts.write_text(f"{ACCOUNT.user}:{ACCOUNT.hashed}\n")
    await until("the middle of the push", lambda: _is_stuck(layout.home))
    os.kill(before.pid, signal.SIGTERM)
    before.wait()
    waiting = await ground.workspace("away", name)
    again = await Process.start(registry(layout), folder=layout.home, logs=layout.logs)
    try:
        status = await ground.succeeds("away", name)

        large = [one for one in ground.told("away", "blob.progressed") if one["of"] > CHUNK_BYTES]
        sent = [one["bytes"] for one in large]
        assert "401" in refused
        assert "the adapter is kept in /mnt/results of the pod" in refused
        assert condition(waiting, "Ready")["status"] == "False"
        assert sent == [CHUNK_BYTES, large[0]["of"]]
        assert len(ground.told("away", "training.begun")) == 1
        assert status["tuning"]["digest"] == await ground.digest("away")
    finally:
        await ground.kubectl("delete", "workspace", "-n", "away", name)
        await again.stop()


async def _is_stuck(home: Path) -> bool:
    """Whether an upload has come as far as the registry's disk is let."""
    uploads = (home / "registry" / "data").rglob("_uploads/*/data")
    return CHUNK_BYTES in [path.stat().st_size for path in uploads]
