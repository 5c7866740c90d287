"""The command line that turns a process into a container. Pure, but for a look at this machine.

A container has a mount, pid, ipc and uts namespace of its own and shares the network. Its
root is an empty tmpfs: it gets this machine's /usr and a little of /etc as a base image, the
folders of its image, and its volumes. Of its resource limits only that on memory is enforced
(memory.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

BWRAP = shutil.which("bwrap") or "/usr/bin/bwrap"

BASE_FOLDERS = ("/bin", "/lib", "/lib32", "/lib64", "/sbin", "/usr")
BASE_FILES = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
)

TMP = str(PurePosixPath("/", "tmp"))
"""Private to each container; gone with it."""

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What a container of root keeps, as with the usual container runtimes."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of this machine at a path of the container."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a container sees.

    Attributes:
        hostname: of the container.
        uid: that its processes see themselves as.
        gid: likewise.
        binds: beside the base; a later one may lie in an earlier one, where that has the folder.
        workdir: where the command starts.
        read_only_root: only writable binds and /dev/shm can be written.
    """

    hostname: str
    uid: int
    gid: int
    binds: tuple[Bind, ...]
    workdir: str
    read_only_root: bool = False


def needs_user_namespace(sandbox: Sandbox) -> bool:
    """Whether the container's user must be mapped, because it is not simply root as we are."""
    return os.geteuid() != 0 or sandbox.uid != 0 or sandbox.gid != 0


def arguments(sandbox: Sandbox, command: Sequence[str], *, status_fd: int) -> list[str]:
    """Command line that runs `command` as process 1 of the container.

    Args:
        sandbox: what it sees.
        command: program and arguments; the program is looked up in the container's PATH.
        status_fd: inherited descriptor on which bwrap reports the process and its exit code.
    """
    return [
        *(BWRAP, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1"),
        *("--die-with-parent", "--new-session", "--hostname", sandbox.hostname[:63]),
        *("--json-status-fd", str(status_fd)),
        *_user(sandbox),
        *_base(),
        *_scratch(sandbox),
        *_binds(sandbox.binds),
        *("--dir", sandbox.workdir),
        *_locks(sandbox),
        *("--chdir", sandbox.workdir, "--", *command),
    ]


def _user(sandbox: Sandbox) -> list[str]:
    if needs_user_namespace(sandbox):
        return ["--unshare-user", "--uid", str(sandbox.uid), "--gid", str(sandbox.gid)]
    kept = [word for name in CAPABILITIES for word in ("--cap-add", name)]
    return ["--cap-drop", "ALL", *kept]


def _base() -> list[str]:
    words: list[str] = []
    for folder in map(Path, BASE_FOLDERS):
        if folder.is_symlink():
            words += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.exists():
            words += ["--ro-bind", str(folder), str(folder)]
    for file in BASE_FILES:
        words += ["--ro-bind-try", file, file]
    return [*words, "--dev", "/dev", "--proc", "/proc"]


def _scratch(sandbox: Sandbox) -> list[str]:
    """Folders that programs expect, unless a volume takes their place."""
    own_tmp = any(bind.target == TMP for bind in sandbox.binds)
    words = [] if own_tmp else ["--perms", "1777", "--tmpfs", TMP]
    return [*words, "--dir", "/run", "--dir", "/var"]


def _binds(binds: Sequence[Bind]) -> list[str]:
    words: list[str] = []
    for bind in sorted(binds, key=lambda one: one.target.count("/")):
        words += ["--bind" if bind.writable else "--ro-bind", str(bind.source), bind.target]
    return words


def _locks(sandbox: Sandbox) -> list[str]:
    if not sandbox.read_only_root:
        return []
    own_tmp = any(bind.target == TMP for bind in sandbox.binds)
    return [*([] if own_tmp else ["--remount-ro", TMP]), "--remount-ro", "/"]
