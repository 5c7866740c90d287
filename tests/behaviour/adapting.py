"""A cluster with a registry that holds adapters, for tests of what is served with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hack.cluster.cache import cache_folder
from hack.cluster.registry.server import ACCOUNT, address, credentials
from tests.behaviour.lora import QUESTION, TOKENS, key_of
from tests.bystander import Bystander, condition, run, until
from tests.conftest import audited

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "manifests" / "examples" / "inference-phi-3-mini-with-adapter.yaml"
NAME = "workspace-phi-3-mini-adapter"
TEAM = "local-registry"
"""Name of the pull secret."""
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

    async def apply(self, name: str, *adapters: Mapping[str, object], **preset: object) -> None:
        """Make another workspace of the quick start, with these adapters and its preset so."""
        wire = yaml.safe_load(EXAMPLE.read_text())
        wire["metadata"]["name"] = name
        wire["resource"]["labelSelector"]["matchLabels"]["apps"] = name
        wire["inference"]["adapters"] = adapters
        wire["inference"]["preset"] |= preset
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


@asynccontextmanager
async def adapter_stage(config: pytest.Config, adapters: Path) -> AsyncIterator[Stage]:
    """A cluster with the operator and a registry, and two adapters made in a folder."""
    making = asyncio.create_task(_make(adapters))
    async with audited(config, registry=True) as cluster:
        found = Stage(cluster, adapters)
        await making
        await found.push(adapters / "ships", "ships:0.0.1")
        await found.push(adapters / "birds", "birds:0.0.1", kind="artifact")
        await found.secret(TEAM)
        yield found


def adapter(
    image: str, *, name: str = SERVED, strength: str = "1.0", pull: str = ""
) -> dict[str, object]:
    """One adapter of a Workspace."""
    secrets = {"imagePullSecrets": [pull]} if pull else {}
    return {"source": {"name": name, "image": image, **secrets}, "strength": strength}


async def _make(adapters: Path) -> None:
    """Teach the adapters, and have PEFT answer with them."""
    cache = cache_folder()
    made = await run(
        *(str(cache / "inference" / "bin" / "python"), "-m", "tests.behaviour.lora"),
        *(str(cache / "models" / "tiny-phi-3"), str(adapters)),
        environment={"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
    )
    assert made.code == 0, made.errors
