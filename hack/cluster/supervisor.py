"""A cluster that stays up after the command that started it: one detached process holds it.

It tells how far it is on its standard output, which it closes when the cluster is ready;
whoever started it reads that to the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hack.cluster.cache import cache_folder
from hack.cluster.failures import ClusterFailed
from hack.cluster.registry.binary import found_program
from hack.cluster.session import REPO, running
from hack.cluster.state import State

STOP_SECONDS = 120.0
POLL_SECONDS = 0.05


def bring_up(home: Path, *, offline: bool, report: Callable[[str], None]) -> None:
    """Start a supervisor and follow it until the cluster is ready.

    Raises:
        ClusterFailed: it did not come up.
    """
    command = [sys.executable, "-m", "hack.cluster", "supervisor", "--home", str(home)]
    supervisor = subprocess.Popen(
        [*command, "--offline"] if offline else command,
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert supervisor.stdout is not None
    try:
        for line in supervisor.stdout:
            report(line.rstrip())
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise
    state = State.load(home)
    if state is None or not state.ready:
        supervisor.wait()
        raise ClusterFailed("the local cluster did not come up")


def take_down(home: Path, *, report: Callable[[str], None]) -> None:
    """Ask the supervisor to stop everything, and wait until it has.

    Raises:
        ClusterFailed: it is still there after two minutes.
    """
    state = State.load(home)
    if state is None or not state.supervisor.is_alive:
        return
    os.kill(state.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    left = {part.name for part in state.parts}
    while state.supervisor.is_alive:
        if time.monotonic() > deadline:
            raise ClusterFailed(f"process {state.supervisor.pid} did not stop: {home} is kept")
        for part in state.parts:
            if part.name in left and not part.is_alive:
                left.discard(part.name)
                report(f"{part.name} has stopped")
        time.sleep(POLL_SECONDS)


async def supervise(home: Path, *, offline: bool) -> None:
    """Hold a cluster until SIGTERM or SIGINT."""
    own = asyncio.current_task()
    assert own is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, own.cancel)
    try:
        registry = found_program(cache_folder()) is not None
        async with running(home=home, offline=offline, keep=True, registry=registry, report=_say):
            _close_output()
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        _close_output()  # nobody listens any more


def _close_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(nowhere, number)
    os.close(nowhere)
