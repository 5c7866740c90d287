"""The plug-in's words, its kubeconfig, and what it reads of a stream."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest

from kaito.cli import command, question, settings
from kaito.cli.branch import Pen
from kaito.cli.chat import pieces
from kaito.cli.reply import UNREACHABLE

CONFIG = """
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u, namespace: models}
- name: there
  context: {cluster: c, user: u}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    return str(path)


@pytest.mark.parametrize(
    ("context", "namespace"), [("", "models"), ("there", "default"), ("nowhere", "default")]
)
def test_the_namespace_is_the_context_s(config: str, context: str, namespace: str) -> None:
    assert settings.namespace(config, context) == namespace


def test_the_flag_wins_over_the_environment(
    config: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "from-the-environment")
    assert settings.kubeconfigs(config) == config
    assert settings.kubeconfigs("") == "from-the-environment"

    monkeypatch.delenv("KUBECONFIG")
    assert settings.kubeconfigs("") == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'data: {"choices": [{"delta": {"content": "Hello"}}]}', ["Hello"]),
        (b'data: {"choices": [{"delta": {"role": "assistant"}}]}', []),
        (b'data: {"choices": []}', []),
        (b"data: [DONE]", []),
        (b": a comment", []),
        (b"data: {broken", []),
    ],
    ids=["text", "role", "usage", "end", "comment", "broken"],
)
def test_only_text_is_taken_out_of_a_stream(line: bytes, said: list[str]) -> None:
    assert list(pieces(line)) == said


def test_the_plug_in_calls_itself_as_the_user_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.run(["status", "--help"], program="kubectl kaito")

    assert caught.value.code == 0
    assert "usage: kubectl kaito status" in capsys.readouterr().out


def test_a_cluster_that_cannot_be_asked_is_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = argparse.Namespace(
        command="why",
        name="phi",
        namespace="",
        context="",
        output="table",
        kubeconfig=str(tmp_path / "missing"),
    )

    assert question.run(given) == UNREACHABLE
    said = capsys.readouterr().err
    assert said.startswith("no usable credentials: ")
    assert said.endswith(": --kubeconfig, $KUBECONFIG or ~/.kube/config must name a cluster\n")


@pytest.mark.parametrize(
    "words",
    [
        ["chat", "phi", "What", "now?", "-n", "models"],
        ["chat", "phi", "-n", "models", "What", "now?"],
        ["chat", "-n", "models", "phi", "What now?"],
    ],
    ids=["before", "after", "between"],
)
def test_a_question_may_stand_before_or_behind_the_flags(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[argparse.Namespace] = []

    def run(given: argparse.Namespace) -> int:
        asked.append(given)
        return 0

    monkeypatch.setattr(question, "run", run)

    assert command.run(words) == 0
    assert [" ".join(each.question) for each in asked] == ["What now?"]
    assert asked[0].namespace == "models"


@pytest.mark.parametrize(
    "words", [["status", "phi", "more"], ["chat", "phi", "--tokens"], ["why", "phi", "--watch"]]
)
def test_words_that_nobody_knows_are_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.run(words)

    assert caught.value.code == 2
    assert "unrecognized arguments: " in capsys.readouterr().err


def test_neither_colour_nor_lines_go_where_they_are_not_understood() -> None:
    assert settings.pen(io.StringIO()) == Pen(colour=False, lines=False)
