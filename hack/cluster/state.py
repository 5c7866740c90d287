"""What runs in a home: one file that the supervisor writes and every verb reads.

A process is named by pid and start time, because the kernel gives a pid again. Whether a
cluster runs at all is told by a lock on the home and not by the file: the kernel lets go of
it with its holder, however that ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from hack.cluster.failures import AlreadyUp, ClusterFailed

KNOWN = frozenset({"layout.json", "state.json", "lock"})
START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted from the field after the name in parentheses."""

KILLED_SECONDS = 10.0
"""How long a killed process may take to be gone."""

POLL_SECONDS = 0.02
YOUNG_SECONDS = 60.0
"""A home younger than this may have just been made."""


class Running(BaseModel):
    """A process that was started."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started: int
    """In clock ticks since the machine's start; 0 when it was already gone."""

    @classmethod
    def of(cls, name: str, pid: int) -> Self:
        """Describe a process that runs now."""
        return cls(name=name, pid=pid, started=start_time(pid))

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return self.started != 0 and start_time(self.pid) == self.started

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        with suppress(ProcessLookupError):
            if self.is_alive:
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has ended.

        Raises:
            ClusterFailed: it still runs after ten seconds.
        """
        deadline = time.monotonic() + KILLED_SECONDS
        while self.is_alive:
            if time.monotonic() > deadline:
                raise ClusterFailed(f"process {self.pid} ({self.name}) does not end")
            time.sleep(POLL_SECONDS)


class State(BaseModel):
    """A cluster's processes, and how far it is."""

    model_config = ConfigDict(frozen=True)

    supervisor: Running
    ready: bool = False
    parts: tuple[Running, ...] = ()

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """None when no cluster was started in `home`."""
        try:
            return cls.model_validate_json((home / "state.json").read_text())
        except FileNotFoundError:
            return None

    def save(self, home: Path) -> None:
        """Write it, in one step."""
        scratch = home / "state.json.new"
        scratch.write_text(self.model_dump_json(indent=2) + "\n")
        scratch.replace(home / "state.json")


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[START_TIME_FIELD])


def fresh_home(folder: Path, prefix: str) -> Path:
    """A new home in `folder`; of those with its prefix that nobody holds, only the newest stays.

    Such a home was left by a run that failed or was killed; its logs tell why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = sorted((path for path in folder.glob(f"{prefix}*") if _is_left(path)), key=_changed)
    for home in left[:-1]:
        with suppress(AlreadyUp, FileNotFoundError), held_home(home):
            shutil.rmtree(home)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=folder))


def _is_left(home: Path) -> bool:
    """Whether no process holds a home; one as young as a minute may be about to be held."""
    if time.time() - _changed(home) < YOUNG_SECONDS:
        return False
    try:
        with (home / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return home.is_dir()
    except BlockingIOError:
        return False
    return True


def _changed(path: Path) -> float:
    """When it was last changed, in seconds since the epoch; 0 when it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextmanager
def held_home(home: Path) -> Iterator[None]:
    """Hold a home, emptied of what a killed cluster may have left in it.

    Raises:
        AlreadyUp: a cluster lives there.
        ClusterFailed: the folder holds something else.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(home.iterdir()) and not any((home / name).exists() for name in KNOWN):
        raise ClusterFailed(f"{home} is not empty and no local cluster: choose another --home")
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(f"a local cluster runs in {home}") from None
        home.chmod(0o700)
        clear(home)
        yield


def clear(home: Path) -> None:
    """End the processes of a killed cluster, if any, and remove all but the lock.

    Raises:
        ClusterFailed: a process does not end although it was killed.
    """
    state = State.load(home)
    for part in state.parts if state else ():
        part.kill()
    for part in state.parts if state else ():
        part.wait()
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()
