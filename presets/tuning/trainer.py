"""The program of a tuning Job: `python /workspace/tuning/trainer.py`.

Python puts this file's folder on its path: the `training` package beside it needs no installing.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

INTERRUPTED = 143
"""128 + SIGTERM: not a success, so that the Job tries again."""


def run() -> int:
    """Tune until done or told to stop; the exit code.

    It is PID 1 of its container: the kernel drops a signal that has no handler there, so handlers
    come before the imports, which take a while.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    # What pushes the adapter, and what the server of the same image shares, lie beside this folder.
    beside = Path(__file__).resolve().parents[1]
    sys.path += [str(beside / "artifacts"), str(beside / "inference")]
    from training.program import main

    return main(sys.argv[1:], os.environ)


def leave(_: int, __: object) -> None:
    """End at once: nothing has begun."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(run())
