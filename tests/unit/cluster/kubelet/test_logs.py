"""Logs as runtimes write them, and as kubectl asks for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from hack.cluster.kubelet.logs import PIECE_BYTES, LogWriter, Selection, last_text, read

LINES = """\
2026-01-01T00:00:01.000000000Z stdout F one
2026-01-01T00:00:02.000000000Z stderr F two
2026-01-01T00:00:03.000000000Z stdout P thr
2026-01-01T00:00:03.000000000Z stdout F ee
"""


def stored(folder: Path) -> Path:
    path = folder / "0.log"
    path.write_text(LINES)
    return path


async def text(path: Path, selection: Selection) -> str:
    return b"".join([piece async for piece in read(path, selection, is_over=lambda: True)]).decode()


async def test_all_lines_are_read_without_their_stamps(tmp_path: Path) -> None:
    assert await text(stored(tmp_path), Selection()) == "one\ntwo\nthree\n"


async def test_only_the_last_lines_are_read(tmp_path: Path) -> None:
    path = stored(tmp_path)
    path.write_text("".join(LINES.splitlines(keepends=True)[:2]))

    assert await text(path, Selection(tail_lines=1)) == "two\n"
    assert await text(path, Selection(tail_lines=0)) == ""


async def test_only_later_lines_are_read(tmp_path: Path) -> None:
    since = datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)

    assert await text(stored(tmp_path), Selection(since=since)) == "two\nthree\n"


async def test_stamps_are_shown_when_asked_for(tmp_path: Path) -> None:
    shown = await text(stored(tmp_path), Selection(timestamps=True))

    assert shown.startswith("2026-01-01T00:00:01.000000000Z one\n")


async def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    assert await text(stored(tmp_path), Selection(limit_bytes=6)) == "one\ntw"


async def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert await text(tmp_path / "none.log", Selection()) == ""


async def test_following_ends_with_the_run_and_loses_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path)
    asked = 0

    def is_over() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            with path.open("a") as file:
                file.write("2026-01-01T00:00:04.000000000Z stdout F four\n")
        return asked >= 2

    pieces = [piece async for piece in read(path, Selection(tail_lines=0), is_over=is_over)]

    assert b"".join(pieces) == b"four\n"


async def test_what_is_written_is_read_back_whole(tmp_path: Path) -> None:
    source = asyncio.StreamReader()
    source.feed_data(b"short\n" + b"x" * 2 * PIECE_BYTES + b"\nno newline at the end")
    source.feed_eof()
    writer = LogWriter(tmp_path / "0.log")

    await writer.copy("stdout", source)
    writer.close()

    expected = "short\n" + "x" * 2 * PIECE_BYTES + "\nno newline at the end\n"
    assert await text(writer.path, Selection()) == expected


def test_the_last_words_are_the_end_of_the_log(tmp_path: Path) -> None:
    assert last_text(stored(tmp_path), lines=3, size=100) == "two\nthree\n"
    assert last_text(stored(tmp_path), lines=3, size=3) == "ee\n"
