"""What is known of a cluster's processes, and what a killed one leaves behind."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hack.cluster.failures import AlreadyUp, ClusterFailed
from hack.cluster.state import Running, State, fresh_home, held_home


def test_this_process_is_alive() -> None:
    assert Running.of("self", os.getpid()).is_alive


def test_another_process_under_the_same_pid_is_not_taken_for_it() -> None:
    now = Running.of("self", os.getpid())

    assert not now.model_copy(update={"started": now.started - 1}).is_alive


def test_an_ended_process_is_not_alive() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        seen = Running.of("child", child.pid)
        assert seen.is_alive
        child.kill()

    assert not seen.is_alive
    assert not Running.of("child", child.pid).is_alive


def test_a_home_holds_one_cluster(tmp_path: Path) -> None:
    with held_home(tmp_path), pytest.raises(AlreadyUp), held_home(tmp_path):
        pass


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("words")

    with pytest.raises(ClusterFailed, match="not empty"), held_home(tmp_path):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_killed_cluster_left_is_removed_and_its_processes_end(tmp_path: Path) -> None:
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "data").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "etcd")
    with subprocess.Popen(["sleep", "60"]) as left:
        parts = (Running.of("left", left.pid),)
        gone = Running(name="supervisor", pid=left.pid, started=1)
        State(supervisor=gone, parts=parts).save(tmp_path)

        with held_home(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == ["lock"]

        assert left.wait(timeout=30) < 0


def test_a_home_without_a_cluster_has_no_state(tmp_path: Path) -> None:
    assert State.load(tmp_path) is None


def a_left_home(folder: Path, name: str, *, age_seconds: float) -> Path:
    home = folder / name
    home.mkdir(parents=True)
    (home / "lock").touch()
    (home / "state.log").touch()
    changed = time.time() - age_seconds
    os.utime(home, (changed, changed))
    return home


def test_of_the_homes_that_runs_left_only_the_newest_stays(tmp_path: Path) -> None:
    newest = a_left_home(tmp_path, "demo-b", age_seconds=1000)
    a_left_home(tmp_path, "demo-a", age_seconds=2000)
    a_left_home(tmp_path, "demo-c", age_seconds=3000)
    other = a_left_home(tmp_path, "default", age_seconds=4000)

    fresh = fresh_home(tmp_path, "demo-")

    assert {*tmp_path.iterdir()} == {newest, other, fresh}


def test_a_home_that_is_held_or_just_made_is_not_removed(tmp_path: Path) -> None:
    held = a_left_home(tmp_path, "demo-a", age_seconds=3000)
    young = a_left_home(tmp_path, "demo-b", age_seconds=1)
    a_left_home(tmp_path, "demo-c", age_seconds=1000)

    with held_home(held):
        changed = time.time() - 3000
        os.utime(held, (changed, changed))
        fresh_home(tmp_path, "demo-")

    assert held.exists()
    assert young.exists()


def test_nobody_else_reads_a_home(tmp_path: Path) -> None:
    home = tmp_path / "home"

    with held_home(home):
        assert home.stat().st_mode & 0o777 == 0o700
