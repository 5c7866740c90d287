"""The program that a model image runs: `python /workspace/inference/server.py`.

Python puts this file's folder on its path: the `serving` package beside it needs no installing.
"""

from __future__ import annotations

import os
import sys

from serving.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
