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
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from front.launch import Launch

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
"""The program that fetches adapters knows which model they are for; its packages lie there."""
NOTE = Path("/dev/termination-log")
START_FAILED = 1


def run() -> int:
    """Be vLLM, in this process, until it ends; the exit code where it cannot begin."""
    # It is PID 1 of its container: the kernel drops a signal that has no handler there, and vLLM
    # sets its own after its imports, which take a while.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    from front.fit import refused_by_vllm
    from front.launch import MODEL_VARIABLE
    from front.settings import QUEUE_VARIABLE, front_settings
    from serving import log
    from serving.errors import BadAdapter

    log.configure("warning")
    settings = front_settings(sys.argv[1:], os.environ)
    try:
        found = checked(sys.argv[1:])
    except BadAdapter as error:
        return refused(str(error))
    program = shutil.which(found.command[0])
    if program is None:
        return refused(f"this image has no {found.command[0]}")
    os.environ |= {MODEL_VARIABLE: found.chat_model, QUEUE_VARIABLE: str(settings.max_queue)}
    sys.argv = [program, *found.command[1:]]
    try:
        runpy.run_path(program, run_name="__main__")
    except ValueError as error:
        if adapter := refused_by_vllm(error):
            return refused(str(adapter))
        raise
    return 0


def checked(words: Sequence[str]) -> Launch:
    """What is to run, once its adapters are known to fit the model.

    Raises:
        BadAdapter: one cannot be served.
    """
    from front.fit import Weights, check_adapters
    from front.launch import ADAPTERS_FLAG, CACHE_FLAG, REVISION_FLAG, launch, value

    found = launch(words)
    if found.adapters:
        folder = Path(value(words, ADAPTERS_FLAG))
        weights = Weights(words[0], value(words, REVISION_FLAG), value(words, CACHE_FLAG))
        check_adapters(weights, folder, found.adapters)
    return found


def refused(reason: str) -> int:
    """Say why there is no server, where the kubelet looks for it too; the exit code."""
    from serving import log

    log.error("model.failed", reason=reason)
    if NOTE.is_file() or NOTE.is_char_device():
        NOTE.write_text(f"{reason}\n", encoding="utf-8")
    return START_FAILED


def leave(_: int, __: object) -> None:
    """End at once: nothing has begun."""
    os._exit(0)


if __name__ == "__main__":
    sys.path.append(str(ARTIFACTS))
    sys.exit(run())
