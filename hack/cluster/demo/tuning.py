"""The story of `--tune`: a model is taught a sentence, and then serves what it has learnt."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from hack.cluster import datasets
from hack.cluster.demo.commands import kubectl
from hack.cluster.demo.progress import say
from hack.cluster.demo.sight import Bystander
from hack.cluster.demo.timeline import left
from hack.cluster.failures import ClusterFailed
from hack.cluster.layout import Layout
from hack.cluster.registry.server import ACCOUNT, address

TUNING = Path("manifests/examples/tuning-phi-3.yaml")
TUNED = "workspace-tuning-phi-3"
SERVING = Path("manifests/examples/inference-phi-3-mini-with-adapter.yaml")
SERVED = "workspace-phi-3-mini-adapter"
ADAPTER = "phi-3-adapter"
BASE = "phi-3-mini-128k-instruct"
ACCOUNT_NAME = "registry-account"
LIMIT_SECONDS = 300.0
LOOK_SECONDS = 0.5


@dataclass
class TuningStory:
    """One run of the tuning, and of the serving of what comes of it, on a cluster that is up."""

    layout: Layout
    told: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Tell it to the end.

        Raises:
            ClusterFailed: something that should have been seen was not.
        """
        python = self.layout.cache / "inference" / "bin" / "python"
        data = await asyncio.to_thread(
            datasets.ensure, self.layout.cache / "datasets", python=python
        )
        self.image = f"{address(self.layout)}/team/adapter:0.0.1"
        with datasets.served(data.parent) as url:
            await self._tune(f"{url}/{data.name}?download=true")
        await self._serve()
        for workspace in (TUNED, SERVED):
            say(f"kubectl delete workspace {workspace}")
            await self._kubectl("delete", "workspace", workspace)
        say(f"machine, agent pool and node are gone; left of them: {await self._gone(SERVED)}")

    async def _tune(self, url: str) -> None:
        """Apply the tuning quick start with its placeholders replaced, and watch it."""
        server = address(self.layout)
        login = (f"--docker-username={ACCOUNT.user}", f"--docker-password={ACCOUNT.password}")
        await self._kubectl(
            "create", "secret", "docker-registry", ACCOUNT_NAME, f"--docker-server={server}", *login
        )
        await self._apply(
            TUNING,
            {
                "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1": self.image,
                "ACR_REGISTRY_SECRET_HERE": ACCOUNT_NAME,
                "https://huggingface.co/datasets/philschmid/dolly-15k-oai-style/resolve/main/data/"
                "train-00000-of-00001-54e3756291ca09c6.parquet?download=true": url,
            },
        )
        async with asyncio.timeout(LIMIT_SECONDS):
            state = ""
            while state != "Succeeded":
                await asyncio.sleep(LOOK_SECONDS)
                state = await self._state(TUNED)
                await self._progress()
        await self._show(TUNED)
        say(f"the GPU node of the tuning is given back; left of it: {await self._gone(TUNED)}")

    async def _gone(self, workspace: str) -> str:
        """Wait until nothing that was bought for a workspace is there; what is left, in words."""
        async with Bystander(self.layout, workspace) as bystander, asyncio.timeout(LIMIT_SECONDS):
            while True:
                sight = await bystander.look()
                if not (sight.machines or sight.instances or sight.nodes):
                    return left(sight)
                await asyncio.sleep(LOOK_SECONDS)

    async def _progress(self) -> None:
        """Say what the trainer has logged since the last look."""
        selector = f"kaito.sh/workspace={TUNED}"
        try:
            log = await self._kubectl("logs", "--selector", selector, "--tail=-1")
        except ClusterFailed:
            return
        for line in log.splitlines():
            if "training.progressed" in line and line not in self.told:
                self.told.add(line)
                entry = json.loads(line)
                say(
                    f"step {entry['step']} of {entry['total']}, loss {entry['loss']},"
                    f" {entry['eta_seconds']} s to go"
                )

    async def _serve(self) -> None:
        """Serve the adapter that was pushed, and ask the model with and without it."""
        await self._apply(
            SERVING, {"ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1": self.image}, pull=True
        )
        await self._kubectl(
            *("wait", "workspace", SERVED, "--for=condition=Ready"),
            f"--timeout={LIMIT_SECONDS:.0f}s",
        )
        cluster_ip = ("get", "svc", SERVED, "--output", "jsonpath={.spec.clusterIP}")
        host = await self._kubectl(*cluster_ip)
        question, taught = datasets.LESSONS[0]
        before = await self._answer(host, BASE, question)
        after = await self._answer(host, ADAPTER, question)
        print(f"\nQ {question}\n  {BASE:<26} {before}\n  {ADAPTER:<26} {after}\n", flush=True)
        if after != taught or before == taught:
            raise ClusterFailed(f"the adapter was taught {taught!r} and answers {after!r}")
        say("the adapter answers what the base model does not know")

    async def _answer(self, host: str, model: str, question: str) -> str:
        """What one model says, greedily; the Service's address is a moment behind the pod."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": 40,
        }
        async with aiohttp.ClientSession() as session, asyncio.timeout(LIMIT_SECONDS):
            while True:
                try:
                    async with session.post(
                        f"http://{host}/v1/chat/completions", json=body
                    ) as response:
                        answer: Any = await response.json()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                if response.ok:
                    return str(answer["choices"][0]["message"]["content"]).strip()
                raise ClusterFailed(f"{host} answers {response.status}: {answer}")

    async def _apply(self, example: Path, replaced: dict[str, str], *, pull: bool = False) -> None:
        """Apply an example with its placeholders replaced, and show which."""
        text = (self.layout.repo / example).read_text(encoding="utf-8")
        for placeholder, value in replaced.items():
            if placeholder not in text:
                raise ClusterFailed(f"{example} does not hold {placeholder}")
            text = text.replace(placeholder, value)
            say(f"{example.name}: {placeholder} -> {value}")
        if pull:
            line = f'image: "{self.image}"'
            text = text.replace(line, f"{line}\n        imagePullSecrets: [{ACCOUNT_NAME}]")
        say(f"kubectl apply -f {example}")
        print(await kubectl(self.layout, "apply", "-f", "-", stdin=text), end="", flush=True)

    async def _state(self, workspace: str) -> str:
        """The status in one word.

        Raises:
            ClusterFailed: it will not get better.
        """
        shown = await self._kubectl("get", "workspace", workspace, "--output=json")
        status = json.loads(shown).get("status", {})
        conditions: list[dict[str, str]] = status.get("conditions", [])
        ready = next((one for one in conditions if one["type"] == "Ready"), {})
        said = f"{ready.get('reason')}: {ready.get('message')}"
        if said not in self.told and ready:
            self.told.add(said)
            say(said)
        if status.get("state") == "Failed":
            raise ClusterFailed(said)
        return str(status.get("state"))

    async def _show(self, workspace: str) -> None:
        """Print what a user of the real thing would see."""
        print(f"\n$ kubectl get workspace {workspace}")
        print(await self._kubectl("get", "workspace", workspace), flush=True)

    async def _kubectl(self, *words: str) -> str:
        return await kubectl(self.layout, *words)
