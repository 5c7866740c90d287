"""Output of containers: written as container runtimes write it, read as `kubectl logs` asks.

One file a run of a container, `home`/logs/pods/NAMESPACE_POD_UID/CONTAINER/RUN.log, each line
`TIME STREAM F|P TEXT`; P is a piece of a line that is longer than a piece may be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PIECE_BYTES = 16 * 1024
POLL_SECONDS = 0.1


def log_folder(logs: Path, *, namespace: str, pod: str, uid: str, container: str) -> Path:
    """Folder of one container's log files, one a run, named by its number."""
    return logs / "pods" / f"{namespace}_{pod}_{uid}" / container


class LogWriter:
    """The log file of one run."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab", buffering=0)

    async def copy(self, stream: str, source: asyncio.StreamReader) -> None:
        """Copy one stream, "stdout" or "stderr", until it ends."""
        rest = b""
        while chunk := await source.read(PIECE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._write(stream, b"F", line)
            if len(rest) >= PIECE_BYTES:
                self._write(stream, b"P", rest)
                rest = b""
        if rest:
            self._write(stream, b"F", rest)

    def close(self) -> None:
        """No more is written."""
        self._file.close()

    def _write(self, stream: str, tag: bytes, text: bytes) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        self._file.write(b" ".join((stamp, stream.encode(), tag, text)) + b"\n")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lines are wanted, and how.

    Attributes:
        tail_lines: only the last so many; None for all.
        since: only later ones; None for all.
        timestamps: put its time before each line.
        limit_bytes: stop after so many; None for no limit.
    """

    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


async def read(
    path: Path, selection: Selection, *, is_over: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The wanted lines of a log file, and those that follow until `is_over` says so.

    Args:
        path: of the file; one that does not exist has no lines.
        selection: what is wanted.
        is_over: whether nothing more will be written; `lambda: True` reads what is there.
    """
    left = selection.limit_bytes
    async for line in _wanted(path, selection, is_over):
        piece = line if left is None else line[:left]
        if left is not None:
            left -= len(piece)
        yield piece
        if left == 0:
            return


def last_text(path: Path, *, lines: int, size: int) -> str:
    """The end of a log as text: at most so many lines and so many bytes."""
    if not path.exists():
        return ""
    raw = path.read_bytes().splitlines(keepends=True)[-lines:]
    return b"".join(_shown(line, timestamps=False) for line in raw)[-size:].decode(errors="replace")


async def _wanted(
    path: Path, selection: Selection, is_over: Callable[[], bool]
) -> AsyncIterator[bytes]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        present = _tail(_since(file, selection.since), selection.tail_lines)
        for line in present:
            yield _shown(line, timestamps=selection.timestamps)
        rest = b""
        while True:
            was_over = is_over()
            chunk = file.read()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield _shown(line + b"\n", timestamps=selection.timestamps)
            if was_over:
                return
            if not chunk:
                await asyncio.sleep(POLL_SECONDS)


def _since(lines: Iterable[bytes], since: datetime | None) -> Iterable[bytes]:
    if since is None:
        return lines
    earliest = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
    return (line for line in lines if line.partition(b" ")[0] >= earliest)


def _tail(lines: Iterable[bytes], count: int | None) -> Iterable[bytes]:
    return lines if count is None else deque(lines, maxlen=count)


def _shown(line: bytes, *, timestamps: bool) -> bytes:
    stamp, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    if tag == b"P":
        text = text.removesuffix(b"\n")
    return stamp + b" " + text if timestamps else text
