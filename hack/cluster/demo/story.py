"""The story that the demo tells: apply, watch, ask, delete, watch again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.demo.commands import kubectl, output
from hack.cluster.demo.progress import process_seconds, say
from hack.cluster.demo.sight import Bystander, Sight
from hack.cluster.demo.timeline import STAGES, is_gone, left
from hack.cluster.failures import ClusterFailed
from hack.cluster.layout import Layout

EXAMPLE = Path("manifests/examples/inference-phi-3-mini.yaml")
WORKSPACE = "workspace-phi-3-mini"
QUESTION = "YOUR QUESTION HERE"
LIMIT_SECONDS = 300.0
LOOK_SECONDS = 0.1
REMIND_SECONDS = 5.0

CURL = ("-q", "--noproxy", "*", "--max-time", "60", "-sS", "--fail-with-body")
"""Neither the user's .curlrc nor a proxy comes between, and no answer is waited for for ever."""

WORKSPACE_SHOWN = {
    "NAME": WORKSPACE,
    "INSTANCE": "Standard_NC6s_v3",
    "RESOURCEREADY": "True",
    "INFERENCEREADY": "True",
    "WORKSPACEREADY": "True",
    "AGE": "",
}
SERVICE_SHOWN = {"NAME": WORKSPACE, "TYPE": "ClusterIP", "PORT(S)": "80/TCP,29500/TCP"}


@dataclass
class Story:
    """One run of the main job on a cluster that is up."""

    layout: Layout
    applied: float = 0.0
    timeline: list[tuple[str, float]] = field(default_factory=list)

    async def run(self) -> None:
        """Tell it to the end.

        Raises:
            ClusterFailed: something that should have been seen was not.
        """
        async with Bystander(self.layout, WORKSPACE) as bystander:
            say(f"kubectl apply -f {EXAMPLE}")
            print(await self.kubectl("apply", "-f", str(self.layout.repo / EXAMPLE)), end="")
            self.applied = process_seconds()
            await self._bring_up(bystander)
            answer = await self._ask()
            await self._show(answer)
            await self._give_back(bystander)

    async def kubectl(self, *words: str) -> str:
        """What kubectl prints.

        Raises:
            ClusterFailed: it did not succeed.
        """
        return await kubectl(self.layout, *words)

    async def _bring_up(self, bystander: Bystander) -> None:
        """Watch the stages come, one after the other, and the workspace say that it is ready."""
        for stage in STAGES:
            seen = await _until(bystander, stage.name, stage.is_reached)
            self._reached(stage.name, stage.detail(seen))
        timeout = f"--timeout={LIMIT_SECONDS:.0f}s"
        await self.kubectl("wait", "workspace", WORKSPACE, "--for=condition=Ready", timeout)

    def _reached(self, name: str, detail: str) -> None:
        """Note a stage."""
        self.timeline.append((name, process_seconds() - self.applied))
        say(f"{name}: {detail}")

    async def _ask(self) -> str:
        """Ask the model, at the address of its Service, until it answers."""
        get = ("get", "svc", WORKSPACE, "--output", "jsonpath={.spec.clusterIP}")
        self.address = await self.kubectl(*get)
        self.request = (
            *("-X", "POST", f"http://{self.address}/chat"),
            *("-H", "accept: application/json", "-H", "Content-Type: application/json"),
            *("-d", json.dumps({"prompt": QUESTION})),
        )
        say(f"asking http://{self.address}/chat")
        answer = await self._answer()
        if not answer.strip():
            raise ClusterFailed(f"http://{self.address}/chat gave an empty answer")
        self._reached("first answer", self.address)
        return answer

    async def _answer(self) -> str:
        """Ask again and again; the address is a moment behind the pod."""
        started = reminded = process_seconds()
        while True:
            try:
                return await output("curl", *CURL, *self.request)
            except ClusterFailed as failure:
                now = process_seconds()
                if now - started > LIMIT_SECONDS:
                    raise
                if now - reminded > REMIND_SECONDS:
                    say(f"waiting for an answer ({now - started:.0f} s): {failure}")
                    reminded = now
            await asyncio.sleep(LOOK_SECONDS)

    async def _show(self, answer: str) -> None:
        """Print what a user of the real thing would see."""
        workspace = await self.kubectl("get", "workspace", WORKSPACE)
        service = await self.kubectl("get", "svc", WORKSPACE)
        print(f"\n$ kubectl get workspace {WORKSPACE}\n{workspace}")
        print(f"$ kubectl get svc {WORKSPACE}\n{service}")
        check_shown("the workspace", workspace, WORKSPACE_SHOWN)
        check_shown("the Service", service, SERVICE_SHOWN)
        words = " ".join(f"'{word}'" if " " in word else word for word in self.request)
        print(f"$ curl {words}\n{answer}\n")
        print("timeline, in seconds after kubectl apply")
        for name, seconds in self.timeline:
            print(f"  {name:<16} {seconds:6.1f}")
        print(flush=True)
        say("the first answer came after this many seconds of the whole command")

    async def _give_back(self, bystander: Bystander) -> None:
        """Delete the workspace and watch everything go."""
        say(f"kubectl delete workspace {WORKSPACE}")
        timeout = f"--timeout={LIMIT_SECONDS:.0f}s"
        await self.kubectl("delete", "workspace", WORKSPACE, timeout)
        gone = await _until(bystander, "machine, agent pool and node to be gone", is_gone)
        say(f"machine, agent pool and node are gone; left of them: {left(gone)}")


def check_shown(what: str, table: str, expected: Mapping[str, str]) -> None:
    """Make sure that a table of kubectl, with one row, says what it should.

    Args:
        what: the row's subject, for the message.
        table: as kubectl prints it: no cell has spaces in it.
        expected: each column that must be there and its cell, "" for any.

    Raises:
        ClusterFailed: a column is missing or its cell is another.
    """
    names, *rows = [line.split() for line in table.splitlines()]
    cells = dict(zip(names, rows[0], strict=False)) if rows else {}
    for column, cell in expected.items():
        if column not in cells or cell not in ("", cells[column]):
            shown = cells.get(column, "nothing")
            raise ClusterFailed(f"{what} shows {shown} under {column}, not {cell or 'a value'}")


async def _until(bystander: Bystander, what: str, happened: Callable[[Sight], bool]) -> Sight:
    """Look until something has happened; says now and then what it waits for."""
    started = reminded = process_seconds()
    while True:
        sight = await bystander.look()
        if happened(sight):
            return sight
        now = process_seconds()
        if now - started > LIMIT_SECONDS:
            raise ClusterFailed(f"{what}: not seen within {LIMIT_SECONDS:.0f} s")
        if now - reminded > REMIND_SECONDS:
            say(f"waiting for {what} ({now - started:.0f} s); there: {left(sight)}")
            reminded = now
        await asyncio.sleep(LOOK_SECONDS)
