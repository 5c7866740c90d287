"""What is known of a cluster's processes, and what a killed one leaves behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hack.cluster.failures import AlreadyUp, ClusterFailed
from hack.cluster.state import Running, State, held_home


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

        assert left.wait(timeout=5) < 0


def test_a_home_without_a_cluster_has_no_state(tmp_path: Path) -> None:
    assert State.load(tmp_path) is None
