"""Whether this machine can hold a cluster at all: asked before anything large is fetched.

`python3 -m hack.cluster.ground [COMMAND...]` runs on the machine's own Python with the standard
library only. With a command it becomes that command, in a network where port 80 is open.
"""

from __future__ import annotations

import os
import subprocess
import sys

from hack.cluster.failures import ClusterFailed
from hack.cluster.kubelet.bubblewrap import BWRAP
from hack.cluster.namespace import check_low_ports, ensure_low_ports


def check_ground(bwrap: str = BWRAP) -> None:
    """Make sure that containers can start here and that port 80 can be had; cheap.

    Args:
        bwrap: path of bubblewrap.

    Raises:
        ClusterFailed: one of them is impossible; the message says what helps.
    """
    check_low_ports()
    own_user = [] if os.geteuid() == 0 else ["--unshare-user"]
    view = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    command = [bwrap, *own_user, "--unshare-pid", *view, "true"]
    try:
        tried = subprocess.run(command, capture_output=True, check=False, text=True)
    except OSError:
        raise ClusterFailed("bubblewrap is missing: apt-get install bubblewrap") from None
    if tried.returncode != 0:
        said = (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]
        raise ClusterFailed(
            f"bubblewrap cannot start a container here ({said}): allow user namespaces to this "
            "user, or run as root; inside a container, in a privileged one"
        )


def main() -> int:
    """Check, then become the command, if any; returns the exit code."""
    command = sys.argv[1:]
    try:
        check_ground()
        if command:
            ensure_low_ports(command)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    if command:
        os.execvp(command[0], command)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
