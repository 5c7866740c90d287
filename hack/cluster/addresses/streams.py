"""Bytes between two connections, both ways, until both directions have ended."""

from __future__ import annotations

import asyncio

CHUNK_BYTES = 1 << 16


async def join(
    left: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    right: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Copy both ways; an end of one direction is passed on and leaves the other open."""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(left[0], right[1]))
            tasks.create_task(_copy(right[0], left[1]))
    except* OSError:
        pass  # one side went away: there is nobody left to tell
    finally:
        left[1].close()
        right[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
