"""The program of the artifacts image: `python /workspace/artifacts/artifacts.py VERB …`.

Python puts this file's folder on its path: the packages beside it need no installing.
"""

from __future__ import annotations

import os
import signal
import sys


def leave(_: int, __: object) -> None:
    """End at once: what is half done is done anew by the next run."""
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    # PID 1 of its container: the kernel drops a signal that has no handler there.
    signal.signal(signal.SIGTERM, leave)
    from oci.program import main

    sys.exit(main(sys.argv[1:]))
