"""hack/demo as a user runs it: with a tuning, after one that was killed, interrupted, not as root.

This process adopts whatever the demo orphans, so nothing that it leaves running can hide.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster.datasets import LESSONS
from tests.bystander import Finished, run

pytestmark = pytest.mark.timeout(600)

REPO = Path(__file__).parents[2]
DEMO = (str(REPO / "hack" / "demo"), "--offline")
PR_SET_CHILD_SUBREAPER = 36
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Seen:
    """A living process; its pid and start time (clock ticks since boot) tell it from others."""

    pid: int
    started: int
    parent: int
    words: str


@pytest.fixture(autouse=True)
def adoption() -> Iterator[None]:
    """Make this process the parent of its descendants' orphans."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0


def _process(folder: Path) -> Seen | None:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    ended = fields[0] in "ZX"
    return None if ended else Seen(int(folder.name), int(fields[19]), int(fields[1]), words)


def descendants() -> set[Seen]:
    """All living processes below this one."""
    found = [each for each in map(_process, Path("/proc").glob("[0-9]*")) if each]
    below = {os.getpid()}
    while more := {each.pid for each in found if each.parent in below} - below:
        below |= more
    return {each for each in found if each.pid in below - {os.getpid()}}


def sockets() -> set[str]:
    """Listening TCP sockets of this network namespace: address and port in hexadecimal.

    Left out are those of processes that are not below this one: others work here as well.
    """
    listening, foreign = "0A", _foreign_sockets()
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        rows = [line.split() for line in lines]
        found |= {row[1] for row in rows if row[3] == listening and row[9] not in foreign}
    return found


def _foreign_sockets() -> set[str]:
    """Inodes of the sockets that processes hold which are neither this one nor below it."""
    own = {os.getpid(), *(each.pid for each in descendants())}
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) in own:
            continue
        with suppress(OSError):
            for link in (folder / "fd").iterdir():
                with suppress(OSError):
                    target = str(link.readlink())
                    found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found


async def demo() -> Finished:
    return await run(*DEMO)


async def demo_until(text: bytes, number: signal.Signals) -> int:
    """Run the demo until it says `text`, then send a signal; returns the exit code."""
    process = await asyncio.create_subprocess_exec(*DEMO, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async for line in process.stdout:
        if text in line:
            break
    process.send_signal(number)
    await process.stdout.read()
    return await process.wait()


def assert_told(told: Finished) -> None:
    """Assert that every stage was shown, in order."""
    assert told.code == 0, told.output + told.errors
    stages = [
        *("machine created", "pool requested", "pool succeeded", "node ready"),
        *("pod running", "model loaded", "first answer"),
    ]
    places = [told.output.index(f"  {stage}: ") for stage in stages]
    assert places == sorted(places)
    assert "80/TCP,29500/TCP" in told.output
    assert "machine, agent pool and node are gone" in told.output
    assert "every process has stopped" in told.output


def assert_tuned(told: Finished) -> None:
    """Assert that the loss fell, the adapter was pushed, and that it answers what it was taught."""
    assert told.code == 0, told.output + told.errors
    question, taught = LESSONS[0]
    found = re.findall(r"step (\d+) of (\d+), loss ([\d.]+), \d+ s to go", told.output)
    losses = [float(loss) for _, _, loss in found]
    answers = dict(re.findall(r"^  (phi-3\S+) +(.+)$", told.output, flags=re.M))
    image = r"\S+/team/adapter:0\.0\.1@sha256:[0-9a-f]{64}"
    # The last lines of a log may go with their pod; the Workspace keeps what came of it.
    assert re.findall(rf"pushed as {image} after (\d+) steps", told.output) == [found[0][1]]
    assert losses[-1] < losses[0]
    assert "PlaceholderNotReplaced" not in told.output
    assert f"Q {question}\n" in told.output
    assert answers["phi-3-adapter"] == taught != answers["phi-3-mini-128k-instruct"]
    assert "the GPU node of the tuning is given back" in told.output
    assert "machine, agent pool and node are gone; left of them: nothing" in told.output
    assert "every process has stopped" in told.output


async def test_it_works_twice_in_a_row_tunes_as_well_and_leaves_nothing_running() -> None:
    listening, running = sockets(), descendants()

    for words, assert_seen in (((), assert_told), (("--tune",), assert_tuned)):
        told = await run(*DEMO, *words)

        assert_seen(told)
        assert sockets() - listening == set()
        assert descendants() - running == set()


async def test_it_works_after_a_run_that_was_killed_half_way() -> None:
    listening, running = sockets(), descendants()

    assert await demo_until(b"node ready", signal.SIGKILL) == -signal.SIGKILL
    told = await demo()

    assert_told(told)
    assert sockets() - listening == set()
    assert descendants() - running == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_it_stops_everything_when_it_is_interrupted(number: signal.Signals) -> None:
    listening, running = sockets(), descendants()

    assert await demo_until(b"kubectl apply", number) == INTERRUPTED

    assert sockets() - listening == set()
    assert descendants() - running == set()


async def test_it_runs_without_any_privilege() -> None:
    """In a user namespace of one ordinary user: the files are ours, port 80 is closed."""
    running = descendants()
    user = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")

    told = await run(*user, *DEMO)

    assert_told(told)
    assert descendants() - running == set()
