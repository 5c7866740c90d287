"""Faults of the server itself: what the client is told, and what the log says of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.presets.program import inference_python

pytestmark = pytest.mark.timeout(60)

BREAKING = 1
"""The token of a prompt at which the model of `faulty.py` breaks off."""


def told(*questions: str) -> tuple[Any, list[dict[str, Any]]]:
    """What is answered to each question, and the lines of the log."""
    done = subprocess.run(
        [str(inference_python()), str(Path(__file__).with_name("faulty.py")), *questions],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [json.loads(line) for line in done.stderr.splitlines()]


def test_a_fault_is_answered_and_logged_with_the_id_of_its_request() -> None:
    ((status, headers, text, error),), (line,) = told("/early")

    assert (status, headers["x-request-id"], error) == (500, "mine", "")
    said = json.loads(text)["error"]
    assert (said["type"], said["param"], said["code"]) == ("server_error", None, 500)
    assert "secret" not in text
    assert (line["event"], line["request_id"]) == ("request.failed", "mine")
    assert line["exception"].endswith("ZeroDivisionError: a secret reason")


def test_a_fault_amid_an_answer_breaks_it_off_and_is_logged_with_its_id() -> None:
    ((status, headers, text, error),), (line,) = told("/late")

    assert (status, headers["x-request-id"], text) == (200, "mine", "begun")
    assert error == "ZeroDivisionError"
    assert (line["event"], line["request_id"]) == ("request.failed", "mine")


def test_who_leaves_amid_a_question_is_no_fault() -> None:
    (gone, found), lines = told("/leave", "/")

    assert gone == [0, {}, "", ""]
    assert found[0] == 200
    assert lines == []


def completion(prompt: object, **fields: object) -> str:
    """A question for texts after prompts of tokens."""
    return "/v1/completions " + json.dumps({"model": "tiny", "prompt": prompt, **fields})


@pytest.mark.parametrize("prompts", [[[0]], [[0], [0]]])
def test_a_fault_that_nobody_foresaw_breaks_a_stream_off_however_many_texts_it_has(
    prompts: list[list[int]],
) -> None:
    ((status, _, text, error),), lines = told(completion(prompts, stream=True))

    assert (status, error) == (200, "ZeroDivisionError")
    assert "[DONE]" not in text
    assert [(line["event"], line["request_id"]) for line in lines] == [("request.failed", "mine")]


def test_a_model_that_breaks_off_is_logged_with_the_id_of_the_request() -> None:
    ((status, _, text, _), streamed), lines = told(
        completion([[BREAKING]]), completion([[BREAKING]], stream=True)
    )

    *events, done = streamed[2].removesuffix("\n\n").split("\n\n")
    assert (status, streamed[0], streamed[3]) == (500, 200, "")
    assert [json.loads(event.removeprefix("data: ")) for event in events] == [json.loads(text)]
    assert json.loads(text)["error"]["type"] == "server_error"
    assert (done, "out of memory" in text) == ("data: [DONE]", False)
    assert [(line["event"], line["request_id"], line["reason"]) for line in lines] == [
        ("request.failed", "mine", "out of memory")
    ] * 2
