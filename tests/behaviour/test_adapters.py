"""Adapters from a real registry: served at their strengths, and each mistake said beforehand."""

from __future__ import annotations

import asyncio
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

from hack.cluster.cache import cache_folder
from hack.cluster.registry.server import ACCOUNT, address, credentials
from tests.behaviour.caller import calling, handover_seconds, parts
from tests.behaviour.lora import QUESTION, TOKENS, key_of
from tests.bystander import Bystander, condition, run, until
from tests.conftest import audited
from tests.ociregistry import damage, oci_registry

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LOG = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "manifests" / "examples" / "inference-phi-3-mini-with-adapter.yaml"
PLACEHOLDER = "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1"
NAME = "workspace-phi-3-mini-adapter"
TEAM = "local-registry"
"""Name of the pull secret."""
MENDED = "mended"
"""Name of a Workspace whose pull secret comes late."""
SERVED = "phi-3-adapter"
"""Name of the adapter in the quick start."""


@dataclass(frozen=True)
class Stage:
    """A cluster with a registry that holds adapters.

    Attributes:
        cluster: seen from outside.
        adapters: folder of the adapters that were pushed.
    """

    cluster: Bystander
    adapters: Path

    def image(self, name: str) -> str:
        """A reference in the cluster's registry."""
        return f"{address(self.cluster.layout)}/{name}"

    async def push(self, folder: Path, name: str, *, kind: str = "image") -> None:
        """Push a folder with the project's own program, as its user would."""
        secrets = self.adapters / "secrets" / "push"
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / ".dockerconfigjson").write_text(credentials(self.cluster.layout))
        item = {"field": "f", "kind": kind, "image": self.image(name), "secrets": ["push"]}
        done = await run(
            str(cache_folder() / "dev" / "bin" / "python"),
            str(ROOT / "presets" / "artifacts" / "artifacts.py"),
            *("push", f"--folder={folder}", f"--item={json.dumps(item)}"),
            f"--secrets={secrets.parent}",
            f"--ca-bundle={self.cluster.layout.ca_certificate}",
        )
        assert done.code == 0, done.errors

    async def secret(
        self, name: str, *, password: str = ACCOUNT.password, server: str = ""
    ) -> None:
        """Make a pull secret as users do."""
        made = await self.cluster.kubectl(
            *("create", "secret", "docker-registry", name),
            f"--docker-server={server or address(self.cluster.layout)}",
            *(f"--docker-username={ACCOUNT.user}", f"--docker-password={password}"),
        )
        assert made.code == 0, made.errors

    def expected(self, **strengths: float) -> str:
        """What PEFT has answered in a process of its own."""
        return str(json.loads((self.adapters / "answers.json").read_text())[key_of(strengths)])

    async def answer(self, question: str = QUESTION, name: str = NAME) -> str:
        """What the Service answers."""
        greedy = {"do_sample": False, "max_new_tokens": TOKENS}
        body = {"prompt": question, "return_full_text": False, "generate_kwargs": greedy}
        status, found = await self.cluster.chat(body, name)
        assert status == 200, found
        return str(found["Result"])

    async def adapt(self, *adapters: Mapping[str, object]) -> None:
        """Give the workspace another list of adapters."""
        patch = json.dumps({"inference": {"adapters": adapters}})
        done = await self.cluster.kubectl("patch", "workspace", NAME, "--type=merge", "-p", patch)
        assert done.code == 0, done.errors

    async def apply(self, name: str, *adapters: Mapping[str, object]) -> None:
        """Make another workspace of the quick start, with these adapters."""
        wire = yaml.safe_load(EXAMPLE.read_text())
        wire["metadata"]["name"] = name
        wire["resource"]["labelSelector"]["matchLabels"]["apps"] = name
        wire["inference"]["adapters"] = adapters
        applied = await self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wire))
        assert applied.code == 0, applied.errors

    async def serves(self) -> None:
        """Wait until the present generation is ready."""

        async def ready() -> bool:
            found = await self.cluster.workspace(NAME)
            ready = condition(found, "Ready")
            generation = found["metadata"]["generation"]
            return bool(ready.get("status") == "True" and ready["observedGeneration"] == generation)

        await until("the adapters are served", ready)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """A cluster of this module's own, with the operator and a registry, and two adapters."""
    adapters = tmp_path_factory.mktemp("adapters")
    making = asyncio.create_task(_make(adapters))
    async with audited(request.config, registry=True) as cluster:
        found = Stage(cluster, adapters)
        await making
        await found.push(adapters / "ships", "ships:0.0.1")
        await found.push(adapters / "birds", "birds:0.0.1", kind="artifact")
        await found.secret(TEAM)
        yield found


async def _make(adapters: Path) -> None:
    """Teach the adapters, and have PEFT answer with them."""
    cache = cache_folder()
    made = await run(
        *(str(cache / "inference" / "bin" / "python"), "-m", "tests.behaviour.lora"),
        *(str(cache / "models" / "tiny-phi-3"), str(adapters)),
        environment={"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
    )
    assert made.code == 0, made.errors


def adapter(
    image: str, *, name: str = SERVED, strength: str = "1.0", pull: str = ""
) -> dict[str, object]:
    """One adapter of a Workspace."""
    secrets = {"imagePullSecrets": [pull]} if pull else {}
    return {"source": {"name": name, "image": image, **secrets}, "strength": strength}


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
        "untrusted": Refused(f"{other}/ships:1", ("is not trusted", "--ca-bundle"), pull=""),
        "no-config": Refused(image("no-config:1"), ("it holds no adapter_config.json", "push")),
        "pickle": Refused(image("pickle:1"), ("a pickle", "safe_serialization=True")),
        "dora": Refused(image("dora:1"), ("it has DoRA", "train a plain LoRA")),
        "damaged": Refused(image("damaged:1"), (f"in place of {digest}", "push it anew")),
    }


async def test_each_adapter_that_cannot_be_had_or_served_is_said_before_a_node_is_bought(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
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


async def test_an_adapter_of_another_model_is_said_before_its_server_starts(
    stage: Stage, tmp_path: Path
) -> None:
    image = await pushed_of_another_model(stage, tmp_path / "wide")
    name = "other-model"
    await stage.apply(name, adapter(image, pull=TEAM))

    async def stalled() -> str:
        found = await stage.cluster.workspace(name)
        said = condition(found, "InferenceReady")
        is_stalled = condition(found, "Stalled").get("status") == "True"
        return str(said["message"]) if is_stalled and said["reason"] == "AdapterFailed" else ""

    message = await until("the workspace to be stalled", stalled)
    (pod,) = await stage.cluster.pods(name)
    assert f"inference.adapters[0].source.image: {image}: it does not fit the model" in message
    assert "serve it with the preset that it was trained on" in message
    assert [one["restartCount"] for one in pod["status"]["containerStatuses"]] == [0]
    await stage.cluster.kubectl("delete", "workspace", name, "--timeout=60s")


async def test_once_a_refusal_is_mended_the_workspace_goes_on_by_itself(stage: Stage) -> None:
    async def bought() -> bool:
        return bool(await stage.cluster.machines(MENDED))

    assert await until("a node", bought)
    await stage.cluster.kubectl("delete", "workspace", MENDED, "--timeout=60s")
