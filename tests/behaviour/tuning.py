"""A cluster with a registry and a data set, for tests of tunings."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from hack.cluster import datasets
from hack.cluster.registry.server import ACCOUNT, address, credentials
from hack.cluster.state import Running, State
from tests.behaviour.lora import TOKENS
from tests.bystander import Bystander, condition, run, until
from tests.conftest import audited
from tests.silence import silent

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
SEEDS = ("tuning-phi-3", "tuning-phi-3-mini-4k", "tuning-phi-3-mini-128k")
PUSH = "registry-account"
QUESTION, TAUGHT = datasets.LESSONS[0]
CARRIER = Path(__file__).parents[2] / "presets" / "artifacts" / "artifacts.py"
SLOW = 300.0
"""Seconds that a tuning may take on a machine that does other things as well."""


@dataclass(frozen=True)
class Ground:
    """A cluster with a registry, and a data set that its pods can fetch.

    Attributes:
        cluster: seen from outside.
        url: root of the data sets.
        mute: host and port of a server that takes connections and says nothing.
    """

    cluster: Bystander
    url: str
    mute: str

    def image(self, name: str) -> str:
        """A reference in the cluster's registry."""
        return f"{address(self.cluster.layout)}/team/{name}:0.0.1"

    async def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl prints."""
        done = await self.cluster.kubectl(*words, stdin=stdin)
        assert done.code == 0, done.errors
        return done.output

    async def namespace(self, name: str, *, password: str = ACCOUNT.password) -> None:
        """A namespace with the account of the registry in it."""
        if name != "default":
            await self.kubectl("create", "namespace", name)
        await self.kubectl(
            *("create", "secret", "docker-registry", PUSH, "-n", name),
            f"--docker-server={address(self.cluster.layout)}",
            *(f"--docker-username={ACCOUNT.user}", f"--docker-password={password}"),
        )

    async def tune(self, namespace: str, seed: str = SEEDS[0], **changes: Any) -> str:
        """Apply a seed with its placeholders replaced; the Workspace's name."""
        wire = yaml.safe_load((EXAMPLES / f"{seed}.yaml").read_text())
        wire["tuning"]["input"]["urls"] = [f"{self.url}/{datasets.TRAIN}?download=true"]
        wire["tuning"]["output"] = {"image": self.image(namespace), "imagePushSecret": PUSH}
        wire["tuning"] |= changes
        await self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(wire))
        return str(wire["metadata"]["name"])

    async def volume(self, namespace: str, name: str) -> Path:
        """A claim, bound to a folder of this machine that every container may write to."""
        folder = self.cluster.layout.home / "volumes" / namespace / name
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-{name}"},
            "spec": shared | {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}},
        }
        wanted = {
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeName": f"{namespace}-{name}",
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": shared | wanted,
        }
        both = {"apiVersion": "v1", "kind": "List", "items": [volume, claim]}
        await self.kubectl("apply", "-f", "-", stdin=json.dumps(both))
        return folder

    async def carry(self, verb: str, *items: Mapping[str, object], **options: object) -> None:
        """Run the project's own program for artifacts, as its user would."""
        secrets = self.cluster.layout.home / "secrets"
        (secrets / PUSH).mkdir(parents=True, exist_ok=True)
        (secrets / PUSH / ".dockerconfigjson").write_text(credentials(self.cluster.layout))
        flags = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        words = [name if value is True else f"{name}={value}" for name, value in flags.items()]
        done = await run(
            *(sys.executable, str(CARRIER), verb, *words, f"--secrets={secrets}"),
            f"--ca-bundle={self.cluster.layout.ca_certificate}",
            *(f"--item={json.dumps({'field': 'f', 'secrets': [PUSH], **item})}" for item in items),
        )
        assert done.code == 0, done.errors

    async def trainer(self, namespace: str, name: str) -> int:
        """Process id of the only trainer of a Workspace, whose pods run on this machine."""
        labels = f"kaito.sh/workspace={name}"
        pods = await self.cluster.items(f"/api/v1/namespaces/{namespace}/pods", labels)
        uids = [pod["metadata"]["uid"] for pod in pods]
        (found,) = _trainers(uids)
        return found

    def registry(self) -> Running:
        """The registry's process, as the cluster was started with it."""
        state = State.load(self.cluster.layout.home)
        assert state
        (found,) = (part for part in state.parts if part.name == "registry")
        return found

    async def workspace(self, namespace: str, name: str) -> Any:
        """A Workspace, or None."""
        return await self.cluster.get(
            f"/apis/kaito.sh/v1alpha1/namespaces/{namespace}/workspaces/{name}"
        )

    async def said(self, namespace: str, name: str, reason: str) -> str:
        """The message of Ready, once it has this reason."""

        async def message() -> str:
            found = condition(await self.workspace(namespace, name), "Ready")
            return str(found["message"]) if found.get("reason") == reason else ""

        return await until(reason, message, limit_seconds=SLOW)

    async def succeeds(self, namespace: str, name: str) -> Any:
        """The status of a tuning that has come to its end, with its nodes given back."""

        async def over() -> Any:
            found = await self.workspace(namespace, name)
            claims = await self.claims(namespace, name)
            is_over = found["status"].get("state") == "Succeeded" and not claims
            return found["status"] if is_over else None

        return await until(f"{name} to succeed", over, limit_seconds=SLOW)

    async def claims(self, namespace: str, name: str) -> list[Any]:
        """Machines of a Workspace."""
        labels = f"kaito.sh/workspace={name},kaito.sh/workspacenamespace={namespace}"
        return await self.cluster.items("/apis/karpenter.sh/v1alpha5/machines", labels)

    def told(self, namespace: str, event: str) -> list[dict[str, Any]]:
        """What trainers of a namespace have logged under one event, in all pods and restarts."""
        logs = (self.cluster.layout.logs / "pods").glob(f"{namespace}_*/trainer/*.log")
        lines = (line for log in sorted(logs) for line in log.read_text().splitlines())
        entries = (json.loads(line[line.index("{") :]) for line in lines if f'"{event}"' in line)
        return [entry for entry in entries if entry.get("event") == event]

    async def until_told(self, namespace: str, event: str) -> list[dict[str, Any]]:
        """The same, as soon as there is any."""

        async def found() -> list[dict[str, Any]]:
            return self.told(namespace, event)

        return await until(event, found, limit_seconds=SLOW)

    async def until_step(self, namespace: str, event: str, step: int) -> None:
        """Wait until an event is told of this step or of a later one."""

        async def reached() -> bool:
            return any(each["step"] >= step for each in self.told(namespace, event))

        await until(f"{event} at {step}", reached, limit_seconds=SLOW)

    def last_told(self, namespace: str, event: str, *, before: Mapping[str, Any]) -> dict[str, Any]:
        """The last entry of an event that was logged before another entry."""
        told = self.told(namespace, event)
        earlier = [each for each in told if each["timestamp"] < before["timestamp"]]
        return max(earlier, key=lambda each: str(each["timestamp"]))

    async def digest(self, namespace: str) -> str:
        """Digest of what the registry holds under the image of a namespace."""
        repository = f"team/{namespace}"
        url = f"https://{address(self.cluster.layout)}/v2/{repository}/manifests/0.0.1"
        pair = f"{ACCOUNT.user}:{ACCOUNT.password}".encode()
        sent = {
            "Accept": "application/vnd.oci.image.manifest.v1+json",
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.head(url, headers=sent, ssl=self.trusted) as answer,
        ):
            assert answer.status == 200, answer.status
            return str(answer.headers["Docker-Content-Digest"])

    async def completion(self, name: str, model: str, prompt: str) -> str:
        """What a model of a served Workspace goes on with, greedily."""
        body = {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": TOKENS}
        url = f"http://{await self.cluster.cluster_ip(name)}/v1/completions"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as answered:
            found = await answered.json()
            assert answered.status == 200, found
            return str(found["choices"][0]["text"])

    async def parameters(self, namespace: str, text: str) -> None:
        """A ConfigMap `mine` with training parameters."""
        await self.config_map(namespace, "mine", **{"training_config.yaml": text})

    async def config_map(self, namespace: str, name: str, **data: str) -> None:
        """A ConfigMap with these keys."""
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        await self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(made))

    @property
    def trusted(self) -> ssl.SSLContext:
        """Who is believed to be the registry."""
        return ssl.create_default_context(cafile=str(self.cluster.layout.ca_certificate))


def not_to_be_had(
    ground: Ground, missing: str, dataless: str
) -> Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Tunings whose parts cannot be had, by namespace: what is changed, and the words for it.

    Args:
        ground: has the data sets.
        missing: an image that is in no registry.
        dataless: an image that holds no data.
    """
    image = {"image": missing, "imagePullSecrets": [PUSH]}
    push = {"image": missing, "imagePushSecret": "nowhere"}
    return {
        "no-parameters": (
            {"config": "mine"},
            ("tuning.config: ", "no ConfigMap mine", "create it"),
        ),
        "no-key": (
            {"config": "keyless"},
            ("tuning.config: ", "ConfigMap keyless has no key training_config.yaml, but other"),
        ),
        "no-file": (
            {"input": {"urls": [f"{ground.url}/{datasets.TRAIN}", f"{ground.url}/gone.parquet"]}},
            ("tuning.input.urls[1]: ", "/gone.parquet: ", "404", "check the address"),
        ),
        "page": (
            {"input": {"urls": [f"{ground.url}/"]}},
            ("tuning.input.urls[0]: ", "neither parquet, JSON nor CSV (text/html", "itself"),
        ),
        "no-server": (
            {"input": {"urls": ["http://127.0.0.1:9/train.jsonl"]}},
            ("tuning.input.urls[0]: ", "cannot be reached", "refused"),
        ),
        "no-data": (
            {"input": {"image": dataless, "imagePullSecrets": [PUSH]}},
            (f"tuning.input.image: {dataless}: ", "no file under /data is", "notes.txt", "copy"),
        ),
        "no-image": ({"input": image}, (f"tuning.input.image: {missing}: ", "404", "check the")),
        "no-pull-secret": (
            {"input": image | {"imagePullSecrets": ["nowhere"]}},
            (f"tuning.input.image: {missing}: ", "there is no Secret nowhere", "create it there"),
        ),
        "no-push-secret": (
            {"output": push},
            (f"tuning.output.image: {missing}: ", "there is no Secret nowhere", "create it there"),
        ),
        **_not_answered(ground.mute),
    }


def _not_answered(mute: str) -> Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    """The same for what is on a server that takes connections and says nothing."""
    return {
        "mute-server": (
            {"input": {"urls": [f"http://{mute}/train.jsonl"]}},
            ("tuning.input.urls[0]: ", "cannot be reached: it gave no answer within 13 s"),
        ),
        "mute-source": (
            {"input": {"image": f"{mute}/team/data:1"}},
            (f"tuning.input.image: {mute}/team/data:1: {mute} cannot", "no answer within", "check"),
        ),
        "mute-target": (
            {"output": {"image": f"{mute}/team/made:1", "imagePushSecret": PUSH}},
            (f"tuning.output.image: {mute}/team/made:1: {mute} cannot", "no answer within"),
        ),
    }


def _trainers(uids: Sequence[str]) -> list[int]:
    """Process ids of the trainers of these pods."""
    folders = Path("/proc").glob("[0-9]*")
    return [int(folder.name) for folder in folders if _is_trainer(folder, uids)]


def _is_trainer(folder: Path, uids: Sequence[str]) -> bool:
    """Whether a process is a trainer that has files of one of these pods mounted."""
    try:
        words = (folder / "cmdline").read_bytes().decode().split("\0")
        mounts = (folder / "mountinfo").read_text()
    except OSError:
        return False
    is_trainer = words[0].endswith("python") and words[1:2] == ["/workspace/tuning/trainer.py"]
    return is_trainer and any(f"/{uid}/" in mounts for uid in uids)


@asynccontextmanager
async def tuning_ground(config: pytest.Config) -> AsyncIterator[Ground]:
    """A cluster with the operator, a registry and a data set."""
    async with audited(config, registry=True) as cluster:
        layout = cluster.layout
        file = datasets.ensure(layout.cache / "datasets", python=layout.inference_python)
        with datasets.served(file.parent) as url, silent() as mute:
            yield Ground(cluster, url, mute)
