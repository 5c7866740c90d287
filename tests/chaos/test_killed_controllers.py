"""A controller that is killed at any step changes nothing: the same end, and one pool only."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hack.cluster.state import State
from tests.bystander import EXAMPLE, WORKSPACE, Bystander, until
from tests.stages import STAGES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

Stage = Callable[[Bystander], Awaitable[bool]]


def parents_and_arguments() -> dict[int, tuple[int, str, list[str]]]:
    """Parent's id, name and arguments of every process, by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            name = (folder / "comm").read_text().strip()
            arguments = (folder / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(folder.name)] = (int(parent), name, arguments)
    return found


def container_process(cluster: Bystander, module: str) -> int:
    """Process id of `python -m MODULE` in its container; 0 while there is none."""
    state = State.load(cluster.layout.home)
    assert state is not None
    kubelet = next(part.pid for part in state.parts if part.name == "kubelet")
    known = parents_and_arguments()

    def is_in_cluster(pid: int) -> bool:
        while pid in known and pid != kubelet:
            pid = known[pid][0]
        return pid == kubelet

    for pid, (_, name, arguments) in known.items():
        is_module = name.startswith("python") and arguments[1:3] == ["-m", module]
        if is_module and is_in_cluster(pid):
            return pid
    return 0


@pytest.mark.parametrize("module", ["kaito", "provisioner"])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_killed_at_any_stage_it_ends_the_same(
    cluster: Bystander, module: str, stage: Stage
) -> None:
    async def running_process() -> int:
        return container_process(cluster, module)

    async def another_process() -> bool:
        return await running_process() not in (0, victim)

    await until(f"{module} to run", running_process)
    earlier = len(await cluster.journal())
    applied = await cluster.kubectl("apply", "-f", "-", stdin=EXAMPLE.read_text())
    assert applied.code == 0, applied.errors

    await until("the stage", lambda: reached(cluster, stage, earlier))
    victim = await until(f"{module} to run", running_process)
    os.kill(victim, signal.SIGKILL)

    ready = await cluster.kubectl(
        "wait", "workspace", WORKSPACE, "--for=condition=Ready", "--timeout=180s"
    )
    assert ready.code == 0, ready.errors
    status, answer = await cluster.chat({"prompt": "What is KAITO?"})
    assert status == 200, answer
    assert await until(f"{module} to run again", another_process)
    assert len(await cluster.machines()) == 1

    deleted = await cluster.kubectl("delete", "workspace", WORKSPACE, "--timeout=180s")
    assert deleted.code == 0, deleted.errors
    assert await until("everything to be gone", lambda: is_gone(cluster))
    puts = [each for each in (await cluster.journal())[earlier:] if each["method"] == "PUT"]
    assert [each["status"] for each in puts if each["status"] < 300] == [201]
    assert len({each["pool"] for each in puts}) == 1


async def reached(cluster: Bystander, stage: Stage, earlier: int) -> bool:
    """Whether a stage is reached in this run, not in one before."""
    new = (await cluster.journal())[earlier:]
    if stage.__name__ == "pool_requested":
        return any(each["method"] == "PUT" for each in new)
    return await stage(cluster)


async def is_gone(cluster: Bystander) -> bool:
    """Whether Machine, pool, node and pods are gone."""
    return not (
        await cluster.machines()
        or await cluster.pools()
        or await cluster.nodes()
        or await cluster.pods()
    )
