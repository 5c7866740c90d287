"""One process of the cluster: started, ready, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hack.cluster.failures import PartFailed
from hack.cluster.process import Process, Program
from hack.cluster.state import start_time

REPO = Path(__file__).resolve().parents[3]


def a_program(script: str, *, stop_seconds: float = 10) -> Program:
    return Program("part", ("/bin/sh", "-c", script), {"PATH": "/usr/bin:/bin"}, stop_seconds)


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_a_process_that_is_ready_is_stopped_by_sigterm(tmp_path: Path) -> None:
    process = await Process.start(a_program("exec sleep 60"), folder=tmp_path, logs=tmp_path)
    await process.until(yes, limit_seconds=30)

    await process.stop()

    assert process.exit_code == -signal.SIGTERM
    assert start_time(process.pid) == 0


async def test_a_process_that_ends_early_is_named_with_its_last_line(tmp_path: Path) -> None:
    program = a_program("echo starting; echo no such flag; exit 3")
    process = await Process.start(program, folder=tmp_path, logs=tmp_path)

    with pytest.raises(PartFailed, match=r"part ended with 3 \(no such flag\)") as failure:
        await process.until(no, limit_seconds=30)

    assert failure.value.log == str(tmp_path / "part.log")


async def test_a_process_that_is_never_ready_is_named(tmp_path: Path) -> None:
    process = await Process.start(a_program("exec sleep 60"), folder=tmp_path, logs=tmp_path)

    with pytest.raises(PartFailed, match="was not ready within 0 s"):
        await process.until(no, limit_seconds=0.1)

    await process.stop()


async def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    program = a_program(
        "trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done", stop_seconds=0.3
    )
    process = await Process.start(program, folder=tmp_path, logs=tmp_path)

    async def has_begun() -> bool:
        return bool(said(process.log))

    await process.until(has_begun, limit_seconds=30)
    child = int(said(process.log))

    await process.stop()

    assert process.exit_code == -signal.SIGKILL
    await gone(child)


async def test_a_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib\n"
        "from hack.cluster.process import Process, Program\n"
        "async def main():\n"
        "    here = pathlib.Path.cwd()\n"
        "    shell = ('/bin/sh', '-c', 'echo up; exec sleep 60')\n"
        "    program = Program('part', shell, {'PATH': '/usr/bin:/bin'})\n"
        "    process = await Process.start(program, folder=here, logs=here)\n"
        "    async def is_up():\n"
        "        return bool(process.log.read_text())\n"
        "    await process.until(is_up, limit_seconds=30)\n"
        "    print(process.pid, flush=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    await gone(child)


async def gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    ended = asyncio.Event()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(30):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def said(log: Path) -> str:
    return log.read_text().strip()
