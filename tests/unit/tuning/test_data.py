"""Data sets: fetched whole, told apart by content, recognised by columns, refused in words."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from training import download, files, formats
from training.config import DatasetSection
from training.failure import Failure, Kind

CONTENT = bytes(range(256)) * 40


class Server(http.server.BaseHTTPRequestHandler):
    """Breaks the first transfer of /broken off; /busy answers at the second try."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        """Answer by the path."""
        asked = self.headers.get("Range", "")
        first = self.path not in [path for path, _ in self.asked]
        self.asked.append((self.path, asked))
        if self.path.startswith("/busy") and first:
            self.send_error(503)
        elif self.path.startswith("/gone"):
            self.send_error(404)
        elif self.path.startswith("/broken"):
            self.send_part(asked, cut=first)
        else:
            self.send_part("", cut=False)

    def send_part(self, asked: str, *, cut: bool) -> None:
        """Send the content from where it is asked for; in part, if `cut`."""
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : 1000 if cut else None])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Server.asked.clear()
    monkeypatch.setattr(download, "WAIT_SECONDS", (0.0,))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetched(address: str, folder: Path, *, limit_bytes: int = 10**9) -> bytes:
    (file,) = download.fetch([address], folder, limit_bytes=limit_bytes)
    return file.read_bytes()


def refusal(address: str, folder: Path, *, limit_bytes: int = 10**9) -> Failure:
    with pytest.raises(Failure) as caught:
        fetched(address, folder, limit_bytes=limit_bytes)
    assert caught.value.kind is Kind.DATA_UNAVAILABLE
    return caught.value


def test_a_transfer_that_breaks_off_goes_on_where_it_was(address: str, tmp_path: Path) -> None:
    assert fetched(f"{address}/broken", tmp_path) == CONTENT
    assert Server.asked == [("/broken", ""), ("/broken", "bytes=1000-")]


def test_a_busy_server_is_asked_again(address: str, tmp_path: Path) -> None:
    assert fetched(f"{address}/busy", tmp_path) == CONTENT


def test_what_is_there_already_is_not_fetched_again(address: str, tmp_path: Path) -> None:
    fetched(f"{address}/a.parquet", tmp_path)
    fetched(f"{address}/a.parquet", tmp_path)

    assert len(Server.asked) == 1


def test_a_refusal_names_the_address_without_its_secrets(address: str, tmp_path: Path) -> None:
    found = refusal(f"{address}/gone?token=secret", tmp_path)

    assert f"{address}/gone answers 404" in found.message
    assert "secret" not in found.message
    assert found.lasting


def test_a_server_that_is_away_may_come_back(tmp_path: Path) -> None:
    found = refusal("http://127.0.0.1:9/x", tmp_path)

    assert not found.lasting


def test_more_than_the_limit_is_refused(address: str, tmp_path: Path) -> None:
    assert "larger than 100 bytes" in refusal(f"{address}/a", tmp_path, limit_bytes=100).message


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (b"PAR1....PAR1", "x", "parquet"),
        (b'{"a": 1}\n', "x.jsonl", "json"),
        (b"\xef\xbb\xbf [\n{}]", "x.json", "json"),
        (b"a,b\n1,2\n", "x.csv", "csv"),
    ],
)
def test_the_form_is_told_by_the_content(
    tmp_path: Path, content: bytes, name: str, form: str
) -> None:
    (tmp_path / name).write_bytes(content)

    assert files.form_of(tmp_path / name) == form


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1......", "cut off"),
        (b"", "is empty"),
        (b"<!doctype html>", "HTML page"),
        (b"hello", "neither parquet, JSON, JSON lines nor CSV; it begins 'hello'"),
    ],
)
def test_what_holds_no_rows_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.parquet").write_bytes(content)

    with pytest.raises(Failure, match=r"x\.parquet") as caught:
        files.form_of(tmp_path / "x.parquet")
    assert words in caught.value.message


def test_a_folder_without_data_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.json").write_text("{}")

    with pytest.raises(Failure) as caught:
        files.data_files(tmp_path)
    assert caught.value.message.endswith("it holds: notes.txt")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a": \n')

    with pytest.raises(Failure, match="line 2 is no JSON"):
        files.check_json(tmp_path / "x.jsonl")


ASKED = [{"role": "user", "content": "q"}]
TOLD = [{"role": "assistant", "content": "a"}]
ANY = DatasetSection()


@pytest.mark.parametrize(
    ("row", "chosen", "wanted"),
    [
        ({"instruction": "q", "response": "a"}, ANY, {"prompt": ASKED, "completion": TOLD}),
        (
            {"instruction": "q", "context": "c", "response": "a"},
            ANY,
            {"prompt": [{"role": "user", "content": "q\n\nc"}], "completion": TOLD},
        ),
        (
            {"instruction": "q", "input": "", "output": "a"},
            ANY,
            {"prompt": ASKED, "completion": TOLD},
        ),
        ({"prompt": "q", "completion": "a"}, ANY, None),
        ({"text": "t"}, ANY, None),
        (
            {"ask": "q", "say": "a"},
            DatasetSection(context_column="ask", response_column="say"),
            {"prompt": ASKED, "completion": TOLD},
        ),
        ({"body": "t"}, DatasetSection(response_column="body"), {"text": "t"}),
        (
            {"talk": [*ASKED, *TOLD]},
            DatasetSection(messages_column="talk"),
            {"messages": [*ASKED, *TOLD]},
        ),
    ],
)
def test_columns_are_recognised(
    row: dict[str, Any], chosen: DatasetSection, wanted: dict[str, Any] | None
) -> None:
    form = formats.recognised(list(row), chosen, chats=True)

    formats.check_rows([row], form)
    assert (form.convert(row) if form.convert else None) == wanted


def test_a_model_without_a_chat_template_gets_plain_text() -> None:
    form = formats.recognised(["instruction", "response"], ANY, chats=False)

    assert form.convert
    assert form.convert({"instruction": "q", "response": "a"}) == {
        "prompt": "q\n",
        "completion": "a",
    }


def test_unknown_columns_are_refused_by_name() -> None:
    with pytest.raises(Failure) as caught:
        formats.recognised(["question", "reply"], ANY, chats=True)

    assert caught.value.kind is Kind.DATA_UNUSABLE
    assert "has the columns question, reply; known are: messages;" in caught.value.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "is no list of {role, content}"),
        ([{"from": "human", "value": "x"}], "a turn without role and content"),
        ([{"role": "human", "content": "x"}], "holds the role 'human'"),
        ("text", "is no list"),
    ],
)
def test_a_conversation_that_is_none_is_named_with_its_row(value: Any, words: str) -> None:
    form = formats.recognised(["messages"], ANY, chats=True)

    with pytest.raises(Failure, match="row 0 of the data set: messages") as caught:
        formats.check_rows([{"messages": value}], form)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("speakers", "is_single"),
    [
        (("user", "assistant"), True),
        (("system", "user", "assistant"), True),
        (("user", "assistant", "user", "assistant"), False),
        (("user",), False),
        (("assistant",), False),
    ],
)
def test_the_answer_alone_is_learnt_where_there_is_one(
    speakers: tuple[str, ...], *, is_single: bool
) -> None:
    turns = [{"role": who, "content": "x"} for who in speakers]

    assert formats.has_single_answer(turns) is is_single
