"""What a process says on stdout is one JSON object a line, whoever says it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging
import structlog
from kaito.kube import logs

logs.configure("json", "info")
log = structlog.get_logger()
log.debug("thing.hidden")
log.info("thing.done", seconds=1.5)
logging.getLogger("library").warning("said %s", "this")
logging.getLogger("library").info("hidden")
try:
    password = "hunter2"
    raise ValueError("wrong")
except ValueError:
    log.exception("thing.failed")
"""


def test_every_line_is_json_and_no_local_variable_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["thing.done", "library.reported", "thing.failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["seconds"] == 1.5
    assert (lines[1]["library"], lines[1]["message"]) == ("library", "said this")
    assert "ValueError: wrong" in lines[2]["exception"]
    assert done.stderr == ""
    assert "'password'" not in done.stdout
