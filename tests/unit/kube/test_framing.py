"""Answers out of bytes, judged by the standard library's own reader."""

from __future__ import annotations

import gc
import http.client
import io
import socket
import weakref
from typing import cast

import pytest

from kaito.kube.framing import Answer, Malformed, Reader

SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n00B\r\n, \r\n\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
ANSWERS = {
    "sized": SIZED,
    "chunked": CHUNKED,
    "empty": b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n",
    "bodiless": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "announced": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    + SIZED,
    "wordless": b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno",
    "last": b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "unmeasured": b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>\r\n\r\n",
}


class _Replayed:
    """A socket that holds an answer."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def standard(data: bytes) -> tuple[int, bytes, bool]:
    """Status, body and whether the connection is kept, as the standard library reads them."""
    while data.startswith(b"HTTP/1.1 103"):  # it knows of 100 only
        data = data.partition(b"\r\n\r\n")[2]
    response = http.client.HTTPResponse(cast("socket.socket", _Replayed(data)))
    response.begin()
    return response.status, response.read(), not response.will_close


def answer(*pieces: bytes, ends: bool = True) -> Answer | None:
    """What is read when these pieces come, and then the end."""
    reader = Reader()
    for piece in pieces[:-1]:
        assert reader.feed(piece) is None
    found = reader.feed(pieces[-1])
    return reader.end() if found is None and ends else found


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_as_the_standard_library_reads_it(data: bytes) -> None:
    found = answer(data)

    assert found is not None
    assert (found.status, found.body, found.keeps) == standard(data)


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_the_same_wherever_it_is_cut(data: bytes) -> None:
    whole = answer(data)

    assert whole is not None
    assert all(answer(data[:cut], data[cut:]) == whole for cut in range(1, len(data)))
    assert answer(*(data[place : place + 1] for place in range(len(data)))) == whole


def test_headers_are_found_by_their_lower_case_names() -> None:
    found = answer(b"HTTP/1.1 429 Slow\r\nRETRY-After:  7\t\r\nContent-Length: 0\r\n\r\n")

    assert found is not None
    assert found.headers["retry-after"] == "7"


@pytest.mark.parametrize("data", [SIZED, CHUNKED], ids=["sized", "chunked"])
def test_an_answer_that_was_cut_short_is_none(data: bytes) -> None:
    assert [answer(data[:cut]) for cut in range(1, len(data))] == [None] * (len(data) - 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x01\x00\x02\x02P\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 xyz OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2_000,
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        answer(data)


@pytest.mark.parametrize("name", ["sized", "chunked", "unmeasured"])
def test_an_answer_that_was_read_leaves_nothing_to_the_garbage_collector(name: str) -> None:
    reader = Reader()
    left = weakref.ref(reader)
    gc.disable()
    try:
        answer = reader.feed(ANSWERS[name]) or reader.end()
        del reader

        assert answer is not None
        assert left() is None
    finally:
        gc.enable()


def test_nothing_can_follow_an_answer_that_was_read() -> None:
    reader = Reader()
    assert reader.feed(SIZED) is not None

    with pytest.raises(Malformed, match="more than the answer"):
        reader.feed(SIZED)
    assert reader.end() is None
