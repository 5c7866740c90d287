"""The program of the image with vLLM: `python3 /workspace/inference/vllm_server.py MODEL …`.

It becomes `vllm serve MODEL …` with what the folder of `--adapters-dir` asks for, and with what our
contract has and vLLM has not in front of it. Python puts this file's folder on its path.
"""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

NOTE = Path("/dev/termination-log")
START_FAILED = 1


def run() -> int:
    """Be vLLM, in this process, until it ends; the exit code where it cannot begin."""
    # It is PID 1 of its container: the kernel drops a signal that has no handler there, and vLLM
    # sets its own after its imports, which take a while.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    from front.launch import MODEL_VARIABLE, launch
    from serving.errors import BadAdapter

    try:
        found = launch(sys.argv[1:])
    except BadAdapter as error:
        return refused(str(error))
    program = shutil.which(found.command[0])
    if program is None:
        return refused(f"this image has no {found.command[0]}")
    os.environ[MODEL_VARIABLE] = found.chat_model
    sys.argv = [program, *found.command[1:]]
    runpy.run_path(program, run_name="__main__")
    return 0


def refused(reason: str) -> int:
    """Say why there is no server, where the kubelet looks for it too; the exit code."""
    from serving import log

    log.configure("info")
    log.error("model.failed", reason=reason)
    if NOTE.is_file() or NOTE.is_char_device():
        NOTE.write_text(f"{reason}\n", encoding="utf-8")
    return START_FAILED


def leave(_: int, __: object) -> None:
    """End at once: nothing has begun."""
    os._exit(0)


if __name__ == "__main__":
    sys.exit(run())
