"""One answer of HTTP/1.1 out of the bytes of a connection, read by llhttp; it touches no socket.

Only what an API server, or whatever stands before it, answers to a request without upgrades: an
answer ends where its length says, with its last chunk, or with its connection. What is more, or
different, is refused: what is misread here would be taken for the answer to somebody else's
request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httptools

_HEAD_LIMIT_BYTES = 64 * 2**10
_PLAIN = frozenset({"", "identity"})
_VERSIONS = frozenset({"1.0", "1.1"})


class Malformed(ConnectionError):
    """What came is no answer that can be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        status: e.g. 200.
        headers: by lower-case name; of several of one name the last.
        body: as it was sent.
        keeps: whether the connection may carry another request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    keeps: bool


class Reader:
    """Reads one answer, piece by piece. The `on_…` are llhttp's to call."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._head_bytes = 0
        self._in_body = False
        self._keeps: bool | None = None
        self._is_over = False

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is whole.

        Raises:
            Malformed: it is none, or more follows than belongs to it.
        """
        if self._is_over:
            raise Malformed("more than the answer was to hold")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Malformed(f"no answer of HTTP/1.1: {error.__context__ or error}") from error
        if not self._in_body:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT_BYTES:
                raise Malformed(f"a head of more than {_HEAD_LIMIT_BYTES} bytes")
        return None if self._keeps is None else self._answer(keeps=self._keeps)

    def end(self) -> Answer | None:
        """The answer, if the end of the connection makes it whole."""
        measured = self._headers.keys() & {"content-length", "transfer-encoding"}
        is_whole = self._in_body and not measured and not self._is_over
        return self._answer(keeps=False) if is_whole else None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in one header, or one trailer, which is dropped."""
        if not self._in_body:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip(" \t")

    def on_headers_complete(self) -> None:
        """Take in a head; one that only says that an answer will follow is passed over."""
        version, status = self._parser.get_http_version(), self._parser.get_status_code()
        if version not in _VERSIONS or status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise Malformed(f"HTTP/{version} {status}")
        if status < HTTPStatus.OK:
            self._headers.clear()
            return
        if self._headers.get("content-encoding", "").lower() not in _PLAIN:
            raise Malformed("compressed, which was not asked for")
        if self._headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise Malformed(f"transfer-encoding {self._headers['transfer-encoding'][:80]!r}")
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._parts.append(body)

    def on_message_begin(self) -> None:
        """Refuse a second answer."""
        if self._in_body:
            raise Malformed("more than the answer was to hold")

    def on_message_complete(self) -> None:
        """Hear that all of it came."""
        if self._in_body:
            self._keeps = self._parser.should_keep_alive()

    def _answer(self, *, keeps: bool) -> Answer:
        status, body = self._parser.get_status_code(), b"".join(self._parts)
        # The parser holds our methods, and we hold it: such a ring, with all that was read, stays
        # until the garbage collector comes by, which it seldom does.
        del self._parser
        self._is_over = True
        return Answer(status, self._headers, body, keeps)
