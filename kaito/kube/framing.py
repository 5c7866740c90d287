"""One answer of HTTP/1.1 out of the bytes of a connection. Pure: no socket is touched here.

Only what an API server, or whatever stands before it, answers to a request without upgrades: an
answer ends where its length says, with its last chunk, or with its connection. Everything else
is refused: what is misread here would be taken for the answer to somebody else's request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

_HEAD_LIMIT_BYTES = 64 * 2**10
_CHUNK_LINE_LIMIT_BYTES = 1024
_CHUNK_DIGITS_LIMIT = 16
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_PLAIN = frozenset({"", "identity"})


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


class _Body(Protocol):
    """What follows a head."""

    def feed(self, data: bytes) -> bytes | None:
        """The body, once it is whole."""
        ...

    def end(self) -> bytes | None:
        """The body, if the end of the connection makes it whole."""
        ...


class Reader:
    """Reads one answer, piece by piece."""

    def __init__(self) -> None:
        self._pending = b""
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._keeps = False
        self._body: _Body | None = None

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is whole.

        Raises:
            Malformed: it is none, or more follows than belongs to it.
        """
        while self._body is None:
            self._pending += data
            head, found, data = self._pending.partition(b"\r\n\r\n")
            if not found:
                if len(head) > _HEAD_LIMIT_BYTES:
                    raise Malformed(f"a head of more than {_HEAD_LIMIT_BYTES} bytes")
                return None
            self._pending = b""
            self._read_head(head)
        return self._whole(self._body.feed(data))

    def end(self) -> Answer | None:
        """The answer, if the end of the connection makes it whole."""
        return self._whole(self._body.end()) if self._body else None

    def _whole(self, body: bytes | None) -> Answer | None:
        return None if body is None else Answer(self._status, self._headers, body, self._keeps)

    def _read_head(self, head: bytes) -> None:
        """Take in a head; one that only says that an answer will follow is passed over."""
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdecimal()):
            raise Malformed(f"no HTTP/1.1: {first[:80]!r}")
        self._status = int(status)
        if self._status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise Malformed("another protocol than was asked for")
        if self._status < HTTPStatus.OK:
            return
        self._headers = _headers(lines)
        self._body = _body(self._status, self._headers)
        wish = self._headers.get("connection", "").lower()
        self._keeps = (
            version == "HTTP/1.1" and "close" not in wish and not isinstance(self._body, _Rest)
        )


class _Sized:
    """A body of a length that was told."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        self._left -= len(data)
        if self._left < 0:
            raise Malformed("more than the answer was to hold")
        if not (self._left or self._parts):
            return data
        self._parts.append(data)
        return None if self._left else b"".join(self._parts)

    def end(self) -> bytes | None:
        return None


class _Chunked:
    """A body in pieces, each with its length; what stands behind the last is dropped."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._parts: list[bytes] = []
        self._is_trailing = False

    def feed(self, data: bytes) -> bytes | None:
        self._pending += data
        while (line_end := self._pending.find(b"\r\n")) >= 0:
            if self._is_trailing:
                del self._pending[: line_end + 2]
                if line_end == 0:
                    return self._joined()
            elif not self._take_chunk(line_end):
                return None
        if len(self._pending) > _CHUNK_LINE_LIMIT_BYTES:
            raise Malformed("a chunk without a length")
        return None

    def end(self) -> bytes | None:
        return None

    def _take_chunk(self, line_end: int) -> bool:
        """Take one piece out of what came; False while it is not whole."""
        length = _hexadecimal(bytes(self._pending[:line_end]).partition(b";")[0].strip())
        begin, end = line_end + 2, line_end + 2 + length
        if length == 0:
            self._is_trailing = True
            del self._pending[:begin]
            return True
        if len(self._pending) < end + 2:
            return False
        if self._pending[end : end + 2] != b"\r\n":
            raise Malformed("a chunk that is longer than it says")
        self._parts.append(bytes(self._pending[begin:end]))
        del self._pending[: end + 2]
        return True

    def _joined(self) -> bytes:
        if self._pending:
            raise Malformed("more than the answer was to hold")
        return b"".join(self._parts)


class _Rest:
    """A body that ends with the connection."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        self._parts.append(data)
        return None

    def end(self) -> bytes | None:
        return b"".join(self._parts)


def _headers(lines: list[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition(":")
        if not sign or not name or name[0] in " \t" or name[-1] in " \t":
            raise Malformed(f"no header: {name[:80]!r}")
        name, value = name.lower(), value.strip(" \t")
        if name == "content-length" and found.get(name, value) != value:
            raise Malformed("two lengths")
        found[name] = value
    return found


def _body(status: int, headers: Mapping[str, str]) -> _Body:
    """How the body of an answer is found."""
    if headers.get("content-encoding", "").lower() not in _PLAIN:
        raise Malformed("compressed, which was not asked for")
    if status in _BODILESS:
        return _Sized(0)
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Malformed(f"transfer-encoding {coding[:80]!r}")
        return _Chunked()
    length = headers.get("content-length")
    if length is None:
        return _Rest()
    if not (length.isascii() and length.isdecimal()):
        raise Malformed(f"content-length {length[:80]!r}")
    return _Sized(int(length))


def _hexadecimal(digits: bytes) -> int:
    if not digits or len(digits) > _CHUNK_DIGITS_LIMIT or digits.strip(b"0123456789abcdefABCDEF"):
        raise Malformed(f"a chunk of {digits[:80]!r} bytes")
    return int(digits, 16)
