"""Containers as real processes under bubblewrap."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster.kubelet.bubblewrap import Bind, Sandbox
from hack.cluster.kubelet.container import TIMED_OUT, ContainerProcess, Exit
from hack.cluster.kubelet.logs import LogWriter, Selection, last_text, read
from tests.unit.cluster.kubelet.builders import needs_bubblewrap

pytestmark = needs_bubblewrap

ENV = {"PATH": "/usr/bin:/bin", "ONLY": "this"}


def a_sandbox(*binds: Bind, uid: int = 65532, workdir: str = "/", read_only: str = "") -> Sandbox:
    return Sandbox("pod-1", uid, uid, binds, workdir, read_only_root=bool(read_only))


async def started(folder: Path, sandbox: Sandbox, *command: str) -> ContainerProcess:
    log = LogWriter(folder / "0.log")
    return await ContainerProcess.start(sandbox, command, ENV, log)


async def ran(folder: Path, sandbox: Sandbox, script: str) -> tuple[Exit, list[str]]:
    """The end of a shell script in the container, and the lines that it wrote."""
    process = await started(folder, sandbox, "sh", "-c", script)
    end = await process.wait()
    return end, last_text(folder / "0.log", lines=100, size=10000).splitlines()


def within(seconds: float) -> Callable[[], float]:
    deadline = time.monotonic() + seconds
    return lambda: deadline - time.monotonic()


def commands_of_all_processes() -> str:
    return subprocess.run(
        ["ps", "axww", "-o", "args"], check=True, capture_output=True
    ).stdout.decode()


async def logged(folder: Path, word: str) -> None:
    """Wait until the container has written that word."""

    def said() -> bool:
        return word in last_text(folder / "0.log", lines=100, size=10000)

    async for _ in read(folder / "0.log", Selection(), is_over=said):
        pass


@pytest.mark.parametrize("uid", [0, 1234])
async def test_the_command_is_process_1_with_the_pods_user_and_name(
    tmp_path: Path, uid: int
) -> None:
    end, lines = await ran(tmp_path, a_sandbox(uid=uid), "echo $$; id -u; hostname; exit 3")

    assert end == Exit(3)
    assert lines == ["1", str(uid), "pod-1"]


async def test_nothing_of_the_hosts_environment_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")

    _, lines = await ran(tmp_path, a_sandbox(), "env | grep -v -e ^_ -e ^PWD")

    assert sorted(lines) == ["ONLY=this", "PATH=/usr/bin:/bin"]


async def test_nothing_of_the_hosts_files_is_seen_but_the_base(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()

    _, lines = await ran(tmp_path, a_sandbox(), f"ls /; test -e {secret} && echo found")

    assert "home" not in lines
    assert "found" not in lines
    assert {"usr", "etc", "tmp", "proc", "dev"} <= set(lines)


async def test_binds_are_at_their_paths_and_only_some_can_be_written(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "a").write_text("hello\n")
    sandbox = a_sandbox(
        Bind(tmp_path / "in", "/deep/in"), Bind(tmp_path / "out", "/out", writable=True)
    )

    script = "cat /deep/in/a; cp /deep/in/a /out/b; touch /deep/in/c || echo refused"
    _, lines = await ran(tmp_path, sandbox, script)

    # What the container says on its two outputs may come in any order.
    assert {"hello", "refused"} <= set(lines)
    assert (tmp_path / "out" / "b").read_text() == "hello\n"


async def test_a_read_only_root_leaves_only_volumes_to_write(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    sandbox = a_sandbox(Bind(tmp_path / "out", "/out", writable=True), read_only="yes")

    script = "for d in / /tmp /out /dev/shm; do touch $d/x 2>/dev/null && echo $d; done; true"
    _, lines = await ran(tmp_path, sandbox, script)

    assert [line.rpartition("/")[2] for line in lines] == ["out", "shm"]


async def test_a_writable_root_is_gone_with_the_container(tmp_path: Path) -> None:
    script = "test -e /tmp/x && echo kept; touch /x /tmp/x && echo written"

    for _ in range(2):
        (tmp_path / "0.log").unlink(missing_ok=True)
        _, lines = await ran(tmp_path, a_sandbox(), script)
        assert lines == ["written"]


async def test_a_command_that_does_not_exist_is_told_as_such(tmp_path: Path) -> None:
    process = await started(tmp_path, a_sandbox(), "no-such-program")

    end = await process.wait()

    assert end.code == 128
    assert "no-such-program" in end.failure


async def test_a_bind_that_does_not_exist_is_told_as_such(tmp_path: Path) -> None:
    process = await started(tmp_path, a_sandbox(Bind(tmp_path / "none", "/x")), "true")

    assert str(tmp_path / "none") in (await process.wait()).failure


async def test_sigterm_reaches_the_command(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    process = await started(tmp_path, a_sandbox(), "sh", "-c", script)
    await logged(tmp_path, "up")

    assert await process.stop(within(10)) == Exit(7)
    assert "bye" in last_text(tmp_path / "0.log", lines=1, size=100)


async def test_what_ignores_sigterm_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    process = await started(tmp_path, a_sandbox(), "sh", "-c", "echo up; sleep 600")
    await logged(tmp_path, "up")

    assert await process.stop(within(0.2)) == Exit(128 + signal.SIGKILL)


async def test_nothing_of_a_container_outlives_its_process_1(tmp_path: Path) -> None:
    marker = f"600.{os.getpid()}"
    script = f"setsid sleep {marker} & sleep 0.1; echo up; exit 0"

    end, _ = await ran(tmp_path, a_sandbox(), script)

    assert end == Exit(0)
    assert not any(f"sleep {marker}" in line for line in commands_of_all_processes().splitlines())


async def test_a_command_runs_beside_process_1(tmp_path: Path) -> None:
    process = await started(
        tmp_path, a_sandbox(), "sh", "-c", "echo x > /tmp/x; echo up; sleep 600"
    )
    await logged(tmp_path, "up")

    found = await process.execute(("sh", "-c", "cat /tmp/x; exit 5"), ENV, timeout_seconds=30)
    late = await process.execute(("sleep", "600"), ENV, timeout_seconds=0.2)
    await process.stop(within(0))
    after = await process.execute(("true",), ENV, timeout_seconds=30)

    assert found == (5, "x\n")
    assert late[0] == TIMED_OUT
    assert after[0] != 0


async def test_both_streams_are_kept_in_the_log(tmp_path: Path) -> None:
    await ran(tmp_path, a_sandbox(), "echo out; echo err >&2; printf unfinished")

    lines = (tmp_path / "0.log").read_text().splitlines()
    assert {line.split(" ", 1)[1] for line in lines} == {
        "stdout F out",
        "stderr F err",
        "stdout F unfinished",
    }
