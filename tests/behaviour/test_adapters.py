"""Adapters from a real registry: served at their strengths, and each mistake said beforehand."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import yaml
from safetensors.numpy import load_file, save_file

from hack.cluster.registry.server import ACCOUNT
from tests.behaviour.adapting import EXAMPLE, NAME, TEAM, Stage, adapter, adapter_stage
from tests.behaviour.caller import BESIDE_LOAD_SECONDS, calling, handover_seconds, parts
from tests.bystander import condition, until
from tests.ociregistry import damage, oci_registry

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LOG = logging.getLogger(__name__)
PLACEHOLDER = "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1"
MENDED = "mended"
"""Name of a Workspace whose pull secret comes late."""
OWN_IMAGE = {
    "accessMode": "private",
    "presetOptions": {"image": "registry.example/llama-2-7b-chat:1"},
}
"""A preset in a user's own image, which no program looks into before the server does."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with adapter_stage(request.config, tmp_path_factory.mktemp("adapters")) as found:
        yield found


async def test_as_it_stands_the_placeholder_is_named_and_nothing_is_bought(stage: Stage) -> None:
    applied = await stage.cluster.kubectl("apply", "-f", str(EXAMPLE))
    assert applied.code == 0, applied.errors

    async def reported() -> str:
        found = condition(await stage.cluster.workspace(NAME), "Ready")
        return str(found["message"]) if found.get("reason") == "PlaceholderNotReplaced" else ""

    message = await until("the placeholder", reported)
    assert "inference.adapters[0].source.image" in message
    assert await stage.cluster.machines(NAME) == []
    assert (await stage.cluster.kubectl("delete", "-f", str(EXAMPLE))).code == 0


async def test_a_missing_secret_is_said_before_a_node_is_bought(stage: Stage) -> None:
    await stage.apply(MENDED, adapter(stage.image("ships:0.0.1"), pull="late"))

    message = await refusal(stage, MENDED)

    assert "there is no Secret late" in message
    assert "kubectl create secret docker-registry late" in message
    assert await stage.cluster.machines(MENDED) == []
    # What comes of it a minute later, the last test sees.
    await stage.secret("late")


async def test_with_the_placeholder_replaced_the_adapter_answers(stage: Stage) -> None:
    wire = yaml.safe_load(EXAMPLE.read_text().replace(PLACEHOLDER, stage.image("ships:0.0.1")))
    wire["inference"]["adapters"][0]["source"]["imagePullSecrets"] = [TEAM]
    applied = await stage.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wire))
    assert applied.code == 0, applied.errors

    await stage.serves()

    answer = await stage.answer()
    assert answer == stage.expected(ships=1.0)
    assert answer != stage.expected(ships=0.0)
    assert "wooden ship" in answer


async def test_the_pod_that_looked_is_gone_once_pods_have_what_it_looked_at(stage: Stage) -> None:
    async def gone() -> bool:
        of_this = f"kaito.sh/preflight={NAME}"
        return not await stage.cluster.items("/api/v1/namespaces/default/pods", of_this)

    assert await until("the end of the preflight's pod", gone)


async def test_two_adapters_at_once_add_up_and_the_old_list_answers_until_its_pod_is_to_end(
    stage: Stage,
) -> None:
    (old,) = await stage.cluster.pods(NAME)
    async with calling(stage.cluster, NAME) as calls:
        await stage.adapt(
            adapter(stage.image("ships:0.0.1"), name="ships", pull=TEAM),
            adapter(stage.image("birds:0.0.1"), name="birds", strength="0.25", pull=TEAM),
        )
        await stage.serves()

    (new,) = await stage.cluster.pods(NAME)
    left = {pod["metadata"]["uid"]: pod["metadata"] for pod in calls.pods}
    uid = old["metadata"]["uid"]
    assert uid not in left or "deletionTimestamp" in left[uid]
    assert calls.answered
    found = parts(new)
    LOG.info("gap %.1f s, of the new pod %s", calls.gap_seconds, found)
    assert found.keys() == {"place", "adapters", "adapters-fit", "load"}
    assert calls.gap_seconds <= sum(found.values()) + handover_seconds(new)
    assert calls.gap_seconds - found["load"] <= BESIDE_LOAD_SECONDS
    expected = stage.expected(ships=1.0, birds=0.25)
    assert await stage.answer() == expected
    assert expected != stage.expected(ships=1.0)


async def test_a_mistake_in_a_new_list_is_said_and_the_old_list_goes_on_answering(
    stage: Stage,
) -> None:
    before = await stage.answer()
    pods = {pod["metadata"]["uid"] for pod in await stage.cluster.pods(NAME)}
    await stage.adapt(adapter(stage.image("ships:missing"), pull=TEAM))

    message = await refusal(stage, NAME)

    assert "inference.adapters[0].source.image" in message
    assert "404" in message
    assert {pod["metadata"]["uid"] for pod in await stage.cluster.pods(NAME)} == pods
    assert await stage.answer() == before


async def refusal(stage: Stage, name: str) -> str:
    """What the status says of a preflight that has failed."""

    async def reported() -> str:
        found = await stage.cluster.workspace(name)
        ready = condition(found, "Ready")
        said = str(ready.get("message", ""))
        return said if ready.get("reason") == "PreflightFailed" else ""

    message = await until("the refusal", reported)
    assert condition(await stage.cluster.workspace(name), "InferenceReady")["message"] == message
    return message


def without_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def of_dora(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))


def of_its_own(folder: Path) -> None:
    (folder / "README.md").write_text("A layer that no other image has.")


@dataclass(frozen=True)
class Refused:
    """An adapter that no server takes, and what is said of it.

    Attributes:
        image: its reference.
        words: all of them are in the message.
        pull: its pull secret.
    """

    image: str
    words: tuple[str, ...]
    pull: str = TEAM


async def all_refused(stage: Stage, folder: Path, other: str) -> Mapping[str, Refused]:
    """One of each kind, by the name of its workspace; `other` is a registry that nobody trusts."""
    for name, change in (
        ("no-config", without_config),
        ("pickle", pickled),
        ("dora", of_dora),
        ("damaged", of_its_own),
    ):
        shutil.copytree(stage.adapters / "ships", folder / name)
        change(folder / name)
        await stage.push(folder / name, f"{name}:1")
    digest = damage(stage.cluster.layout, "damaged", "1")
    await stage.secret("wrong", password=ACCOUNT.user)
    ships, image = stage.image("ships:0.0.1"), stage.image
    return {
        "wrong-password": Refused(
            ships, ("401", "'kaito' of Secret wrong may not pull it"), pull="wrong"
        ),
        "anonymous": Refused(ships, ("401", "no pull secret holds an account"), pull=""),
        "no-tag": Refused(image("ships:9"), ("404", "check the repository and the tag")),
        "away": Refused("127.0.0.1:9/ships:1", ("127.0.0.1:9 cannot be reached", "refused")),
        "untrusted": Refused(f"{other}/ships:1", ("is not trusted", "--ca-bundle"), pull=""),
        "no-config": Refused(image("no-config:1"), ("it holds no adapter_config.json", "push")),
        "pickle": Refused(image("pickle:1"), ("a pickle", "safe_serialization=True")),
        "dora": Refused(image("dora:1"), ("it has DoRA", "train a plain LoRA")),
        "damaged": Refused(image("damaged:1"), (f"in place of {digest}", "push it anew")),
    }


async def test_each_adapter_that_cannot_be_had_or_served_is_said_before_a_node_is_bought(
    stage: Stage, tmp_path: Path
) -> None:
    async with oci_registry(tmp_path / "other") as other:
        cases = await all_refused(stage, tmp_path, other.address)
        for name, case in cases.items():
            await stage.apply(name, adapter(case.image, pull=case.pull))

        for name, case in cases.items():
            message = await refusal(stage, name)
            assert message.startswith(f"inference.adapters[0].source.image: {case.image}: ")
            assert [word for word in case.words if word not in message] == [], message
            assert await stage.cluster.machines(name) == []

    gone = await stage.cluster.kubectl("delete", "workspace", *cases, "--timeout=60s")
    assert gone.code == 0, gone.errors


async def pushed_of_another_model(stage: Stage, folder: Path) -> str:
    """The reference of an adapter whose model is twice as wide."""
    shutil.copytree(stage.adapters / "ships", folder)
    weights = folder / "adapter_model.safetensors"
    halves = load_file(weights)
    wide = {name: np.concatenate([half, half], axis=-1) for name, half in halves.items()}
    save_file({name: wide[name] if "lora_A" in name else halves[name] for name in wide}, weights)
    await stage.push(folder, "wide:1")
    return stage.image("wide:1")


async def test_an_adapter_of_another_model_in_a_new_list_leaves_the_old_list_answering(
    stage: Stage, tmp_path: Path
) -> None:
    before = await stage.answer()
    pods = {pod["metadata"]["uid"] for pod in await stage.cluster.pods(NAME)}
    image = await pushed_of_another_model(stage, tmp_path / "wide")
    await stage.adapt(adapter(image, pull=TEAM))

    async def said() -> str:
        found = condition(await stage.cluster.workspace(NAME), "Ready")
        fits = "does not fit the model" not in found["message"]
        return "" if fits or found["reason"] != "PreflightFailed" else str(found["message"])

    message = await until("the refusal", said)
    assert message.startswith(f"inference.adapters[0].source.image: {image}: ")
    assert {pod["metadata"]["uid"] for pod in await stage.cluster.pods(NAME)} == pods
    assert await stage.answer() == before


async def failed(stage: Stage, name: str) -> str:
    """What is said of an adapter that a workspace is stalled for."""

    async def stalled() -> str:
        found = await stage.cluster.workspace(name)
        said = condition(found, "InferenceReady")
        is_stalled = condition(found, "Stalled").get("status") == "True"
        return str(said["message"]) if is_stalled and said["reason"] == "AdapterFailed" else ""

    return await until("the workspace to be stalled", stalled)


async def test_an_adapter_of_another_model_is_said_before_its_server_starts(
    stage: Stage, tmp_path: Path
) -> None:
    image = await pushed_of_another_model(stage, tmp_path / "wide")
    name = "other-model"
    await stage.apply(name, adapter(image, pull=TEAM))

    message = await failed(stage, name)

    (pod,) = await stage.cluster.pods(name)
    assert f"inference.adapters[0].source.image: {image}: it does not fit the model" in message
    assert "serve it with the preset that it was trained on" in message
    begun = {one["name"]: one for one in pod["status"]["initContainerStatuses"]}
    assert {name: one["restartCount"] > 0 for name, one in begun.items()} == {
        "adapters": False,
        "adapters-fit": True,
    }
    (server,) = pod["status"]["containerStatuses"]
    assert server["state"]["waiting"]["reason"] == "PodInitializing"
    await stage.cluster.kubectl("delete", "workspace", name, "--timeout=60s")


async def test_in_an_image_of_ones_own_the_server_says_that_an_adapter_is_of_another_model(
    stage: Stage, tmp_path: Path
) -> None:
    image = await pushed_of_another_model(stage, tmp_path / "wide")
    name = "own-image"
    await stage.apply(name, adapter(image, pull=TEAM), **OWN_IMAGE)

    message = await failed(stage, name)

    (pod,) = await stage.cluster.pods(name)
    begun = [one["name"] for one in pod["status"]["initContainerStatuses"]]
    assert begun == ["adapters"]
    assert "inference.adapters: adapter phi-3-adapter: " in message
    assert "size mismatch" in message
    assert "mend that, or take it out of the list" in message
    await stage.cluster.kubectl("delete", "workspace", name, "--timeout=60s")


async def test_once_a_refusal_is_mended_the_workspace_goes_on_by_itself(stage: Stage) -> None:
    async def bought() -> bool:
        return bool(await stage.cluster.machines(MENDED))

    assert await until("a node", bought)
    await stage.cluster.kubectl("delete", "workspace", MENDED, "--timeout=60s")
