"""hack/demo as a user runs it: twice, after a run that was killed, and not as root."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.bystander import Finished, run

pytestmark = pytest.mark.timeout(400)

REPO = Path(__file__).parents[2]


def sockets() -> set[str]:
    """Listening TCP sockets of this network namespace: address and port in hexadecimal."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = "0A"
    return {line.split()[1] for line in lines if line.split()[3] == listening}


def own_processes() -> set[str]:
    """Command lines of processes that belong to a cluster."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "clusters/demo-" in words:
            found.add(words)
    return found


async def demo() -> Finished:
    return await run(str(REPO / "hack" / "demo"), "--offline")


def assert_told(told: Finished) -> None:
    """Assert that every stage was shown, in order."""
    assert told.code == 0, told.output + told.errors
    stages = [
        *("machine created", "pool requested", "pool succeeded", "node ready"),
        *("pod running", "model loaded", "first answer"),
    ]
    places = [told.output.index(stage) for stage in stages]
    assert places == sorted(places)
    assert "80/TCP,29500/TCP" in told.output
    assert "machine, agent pool and node are gone" in told.output
    assert "every process has stopped" in told.output


async def test_it_tells_the_whole_story_and_leaves_nothing_running() -> None:
    before = sockets()

    told = await demo()

    assert_told(told)
    assert sockets() - before == set()
    assert own_processes() == set()


async def test_it_works_after_a_run_that_was_killed_half_way() -> None:
    before = sockets()
    first = await asyncio.create_subprocess_exec(
        str(REPO / "hack" / "demo"), "--offline", stdout=asyncio.subprocess.PIPE
    )
    assert first.stdout is not None
    async for line in first.stdout:
        if b"node ready" in line:
            break
    first.send_signal(signal.SIGKILL)
    await first.wait()

    told = await demo()

    assert_told(told)
    assert sockets() - before == set()
    assert own_processes() == set()


async def test_it_runs_without_any_privilege() -> None:
    """In a user namespace of one ordinary user: the files are ours, port 80 is closed."""
    user = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")

    told = await run(*user, str(REPO / "hack" / "demo"), "--offline")

    assert_told(told)
    assert own_processes() == set()
