"""The launcher of pods that serve together: real processes, which meet on loopback."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.timeout(120)

PROGRAM = Path("presets/inference/group.py").absolute()
SERVER = """
import http.server, os, sys
rank = sys.argv[1]
open(sys.argv[2], "a").write(f"{rank} {' '.join(sys.argv[4:])}\\n")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
host = "127.7.7.1" if rank == "0" else "127.7.9.9"
http.server.HTTPServer((host, int(sys.argv[3])), Health).serve_forever()
"""
"""Stands for a model server: notes that it runs, and answers for its health."""


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.7.7.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Group:
    """Pods of one group."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self.nodes = nodes
        self.port, self.health = free_ports(2)
        self.pods: dict[int, asyncio.subprocess.Process] = {}
        self._launched: list[asyncio.subprocess.Process] = []

    async def launch(self, rank: int, program: str = SERVER) -> asyncio.subprocess.Process:
        """Start one pod."""
        health = self.health if rank == 0 else free_ports(1)[0]
        server = (sys.executable, "-c", program, str(rank), str(self.journal), str(health))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), f"--nodes={self.nodes}", f"--rank={rank}"),
            *("--leader=127.7.7.1", f"--port={self.port}", f"--health-port={self.health}"),
            *("--worker-argument=--headless", "--address-argument=--master"),
            *("--", *server),
            env={"HOST": f"127.7.7.{rank + 1}"},
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self.pods[rank] = process
        self._launched.append(process)
        return process

    def started(self) -> list[str]:
        """What servers have noted, in order of rank."""
        return sorted(self.journal.read_text().splitlines())

    async def stop(self) -> None:
        """End all that is left."""
        for process in self._launched:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(process.communicate() for process in self._launched))


@pytest_asyncio.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    """A group of three pods, none of which runs yet."""
    made = Group(tmp_path, 3)
    yield made
    await made.stop()


async def until(look: Callable[[], Any]) -> None:
    """Look until it is so; the test's own limit ends it."""
    never = asyncio.Event()
    while not (await seen if inspect.isawaitable(seen := look()) else seen):
        try:
            async with asyncio.timeout(0.02):
                await never.wait()
        except TimeoutError:
            continue


async def status(host: str, port: int, path: str = "/health") -> str:
    """The answer's status line, "" where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    line = (await reader.readline()).decode()
    writer.close()
    return line


async def until_said(process: asyncio.subprocess.Process, event: str) -> dict[str, object]:
    """Read the log up to an event."""
    assert process.stderr
    while line := await process.stderr.readline():
        entry: dict[str, object] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError(f"{event} was not said")


async def test_no_server_starts_before_all_pods_are_there(group: Group) -> None:
    leader = await group.launch(0)
    await group.launch(1)
    await until_said(leader, "member.joined")
    assert group.started() == []

    await group.launch(2)

    await until(lambda: len(group.started()) == 3)
    assert [line.split() for line in group.started()] == [
        ["0", "--master=127.7.7.1"],
        ["1", "--headless", "--master=127.7.7.1"],
        ["2", "--headless", "--master=127.7.7.1"],
    ]


async def test_the_leader_may_come_last(group: Group) -> None:
    await group.launch(2)
    await group.launch(1)
    await group.launch(0)

    await until(lambda: len(group.started()) == 3)


async def test_a_pod_that_does_not_lead_is_as_well_as_the_leader(group: Group) -> None:
    await group.launch(1)
    await until_said(group.pods[1], "leader.awaited")
    assert "503" in await status("127.7.7.2", group.health)

    for rank in (0, 2):
        await group.launch(rank)
    await until(lambda: len(group.started()) == 3)

    async def answers() -> bool:
        return "200" in await status("127.7.7.1", group.health)

    await until(answers)
    assert "200" in await status("127.7.7.2", group.health)
    assert "200" in await status("127.7.7.3", group.health)


@pytest.mark.parametrize("lost", [0, 1], ids=["the leader", "a worker"])
async def test_when_one_is_killed_all_exit_and_meet_again(group: Group, lost: int) -> None:
    for rank in range(3):
        await group.launch(rank)
    await until(lambda: len(group.started()) == 3)
    former = dict(group.pods)

    # As the end of PID 1 ends all of its container.
    os.killpg(former[lost].pid, signal.SIGKILL)

    left = [await process.wait() for rank, process in former.items() if rank != lost]
    assert left == [75, 75]
    group.journal.write_text("")
    for rank in range(3):
        await group.launch(rank)
    await until(lambda: len(group.started()) == 3)


async def test_the_exit_code_is_that_of_the_server_that_failed(group: Group) -> None:
    for rank in (0, 1):
        await group.launch(rank)
    await group.launch(2, "raise SystemExit(3)")

    assert await group.pods[2].wait() == 3
    assert [await group.pods[rank].wait() for rank in (0, 1)] == [75, 75]


async def test_a_pod_that_is_told_to_end_ends_its_server_and_exits_well(group: Group) -> None:
    for rank in range(3):
        await group.launch(rank)
    await until(lambda: len(group.started()) == 3)

    group.pods[1].terminate()

    assert await group.pods[1].wait() == 0
    assert [await group.pods[rank].wait() for rank in (0, 2)] == [75, 75]
