"""What a process says on stdout: one JSON object a line whoever says it, or words for people."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging
import sys
import structlog
from kaito.kube import logs

logs.configure(sys.argv[1], "info")
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


def said(format: str) -> subprocess.CompletedProcess[str]:
    """What the program says to a pipe."""
    command = [sys.executable, "-c", PROGRAM, format]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_every_line_is_json_and_no_local_variable_is_told() -> None:
    done = said("json")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["thing.done", "library.reported", "thing.failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["seconds"] == 1.5
    assert (lines[1]["library"], lines[1]["message"]) == ("library", "said this")
    assert "ValueError: wrong" in lines[2]["exception"]
    assert done.stderr == ""
    assert "'password'" not in done.stdout


def test_people_are_told_the_same_without_local_variables_and_without_colours_in_a_pipe() -> None:
    done = said("console")

    places = [
        done.stdout.index(each) for each in ("thing.done", "library.reported", "thing.failed")
    ]
    assert places == sorted(places)
    assert "seconds=1.5" in done.stdout
    assert "ValueError: wrong" in done.stdout
    assert "hidden" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "'hunter2'" not in done.stdout
    assert done.stderr == ""
