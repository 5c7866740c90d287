"""Events of a stream, as bytes on the wire."""

from __future__ import annotations

import json

import pytest
from serving.answers import ChatAnswers, event


@pytest.mark.parametrize(
    "text",
    ["plain", "two\nlines\r\n", "\u2028\u0085", "é 🚢", '"quoted" \\ and \x00 \x1b', "\ufffd"],
)
def test_an_event_is_one_line_of_json_whatever_is_said(text: str) -> None:
    sent = event(ChatAnswers("tiny").chunk(0, text))

    name, _, data = sent.partition(b": ")
    assert name == b"data"
    assert data.endswith(b"}\n\n")
    assert b"\n" not in data[:-2]
    assert b"\r" not in data
    assert json.loads(data)["choices"][0]["delta"] == {"content": text}
