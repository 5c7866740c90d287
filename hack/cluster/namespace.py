"""A network of one's own, for users who may not listen on ports 80 and 443.

Not root, such a port is closed to everybody on most machines. In a user and network
namespace of its own a process is its own root and has a loopback device of its own, so the
whole cluster moves in there. What it needs from outside must have been fetched before.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from hack.cluster.failures import ClusterFailed

TRIED = ("127.127.127.127", 80)
"""An address that no cluster uses: only the permission is of interest."""

UNSHARE = ("unshare", "--map-root-user", "--net")
MOVED = "KAITO_LOCAL_MOVED"
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1


def low_ports_open() -> bool:
    """Whether this process may listen on port 80."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(TRIED)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EPERM)
        return True


def check_low_ports() -> None:
    """Make sure that `ensure_low_ports` will work; cheap, so call it before any work.

    Raises:
        ClusterFailed: port 80 is closed and namespaces are forbidden as well.
    """
    if low_ports_open() or _namespaces_allowed():
        return
    raise ClusterFailed(
        "port 80 is closed to this user, and user namespaces are forbidden here: run as root, "
        "or set net.ipv4.ip_unprivileged_port_start to 80"
    )


def ensure_low_ports(argv: Sequence[str]) -> None:
    """Return where port 80 is open; else run `argv` again where it is, and never return.

    Call it once everything is downloaded: the new namespace has nothing but loopback.

    Args:
        argv: this very program, e.g. `[sys.executable, "-m", "hack.demo"]`.

    Raises:
        ClusterFailed: that is forbidden here.
    """
    if low_ports_open():
        return
    check_low_ports()
    os.environ[MOVED] = "1"
    here = (sys.executable, "-m", "hack.cluster.namespace")
    _replace((*UNSHARE, "--", *here, *argv))


def has_moved() -> bool:
    """Whether `ensure_low_ports` has moved this program into a network of its own."""
    return MOVED in os.environ


def shares_network(pid: int) -> bool:
    """Whether this process has the network of process `pid`."""
    return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()


def join(pid: int, argv: Sequence[str]) -> None:
    """Return when process `pid` has our network; else run `argv` in its, and never return."""
    if shares_network(pid):
        return
    options = ("--target", str(pid), "--user", "--net", "--preserve-credentials")
    _replace(("nsenter", *options, f"--wd={Path.cwd()}", "--", *argv))


def _namespaces_allowed() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def _replace(command: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvp(command[0], list(command))


def _raise_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(device, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def main() -> None:
    """Raise the loopback device of a fresh namespace, then become the given program."""
    _raise_loopback()
    if not low_ports_open():
        raise SystemExit("port 80 is closed even in a network namespace of its own")
    _replace(sys.argv[1:])


if __name__ == "__main__":
    main()
