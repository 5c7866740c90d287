"""Check a training configuration: `python check.py METHOD FILE [CONFIGMAP]`.

It needs no more than pydantic and PyYAML, so that it can run on any node, before a GPU is bought.
The exit code is 0 for a good one, 1 for a bad one or none; what is wrong stands on standard output
and, where the kubelet looks for it, in the termination message.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from training import config, note
from training.failure import Failure

ARGUMENTS = (2, 3)


def main(argv: Sequence[str]) -> int:
    """Check the file, out of the ConfigMap of that name; returns the exit code."""
    if len(argv) not in ARGUMENTS or argv[0].lower() not in ("lora", "qlora"):
        print("usage: check.py lora|qlora FILE [CONFIGMAP]", file=sys.stderr)
        return 2
    method, file = argv[0].lower(), Path(argv[1])
    try:
        text = config.user_text(file, config_map="".join(argv[2:]))
        config.read(text, method=method, defaults=(config.default_text(method),))
    except Failure as found:
        print(found.message)
        note.leave(note.failure(found, step=0), "/dev/termination-log")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
