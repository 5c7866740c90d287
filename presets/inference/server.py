"""The program that a model image runs: `python /workspace/inference/server.py`.

Python puts this file's folder on its path: the `serving` package beside it needs no installing.
"""

from __future__ import annotations

import os
import signal
import sys


def run() -> int:
    """Serve until told to stop; the exit code.

    It is PID 1 of its container: the kernel drops a signal that has no handler there, so handlers
    come before the imports, which take a while.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    from serving.program import main

    return main(sys.argv[1:], os.environ)


def leave(_: int, __: object) -> None:
    """End at once: nothing has begun."""
    os._exit(0)


if __name__ == "__main__":
    sys.exit(run())
