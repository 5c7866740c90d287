"""Where a request goes and what is said before its body, most of which is always the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from kaito.kube.transport import Call

_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
_LIMIT = 16


class Head:
    """Makes the heads of requests to one server."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Make it.

        Args:
            url: of the server, without a slash at the end.
            headers: of every request.
        """
        parts = urlsplit(url)
        self._prefix = parts.path
        self._always = _lines({"Host": parts.netloc, **headers})
        self._made: dict[tuple[str, str], str] = {}

    def of(self, call: Call, authorization: str) -> bytes:
        """The head of one request, up to its body.

        Raises:
            ValueError: something in it would end a line.
        """
        kind = "" if call.body is None else call.content_type
        lines = self._made.get((authorization, kind)) or self._make(authorization, kind)
        length = "" if call.body is None else f"Content-Length: {len(call.body)}\r\n"
        first = f"{call.method} {self._prefix}{target(call)} HTTP/1.1\r\n"
        return f"{first}{lines}{length}\r\n".encode("latin-1")

    def _make(self, authorization: str, kind: str) -> str:
        lines = self._always + _lines({"Content-Type": kind, "Authorization": authorization})
        if len(self._made) >= _LIMIT:
            self._made.clear()  # tokens are rotated
        self._made[authorization, kind] = lines
        return lines


def target(call: Call) -> str:
    """Path and query as they are sent; nearly all paths are of letters that mean themselves."""
    path = call.path if _PLAIN.fullmatch(call.path) else quote(call.path)
    return path + _query(tuple(call.params.items()))


@lru_cache(256)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    """What stands behind the path; most requests ask the same."""
    return f"?{urlencode(params)}" if params else ""


def _lines(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if not value.isprintable():
            raise ValueError(f"header {name} has letters in it that no header may hold")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
