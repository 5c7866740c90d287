"""A terminal that a program writes to."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

CHUNK_BYTES = 65536


@dataclass
class Terminal:
    """One program's terminal.

    Attributes:
        process: the program.
        text: all that it has written so far.
    """

    process: asyncio.subprocess.Process
    text: str = ""

    @classmethod
    @asynccontextmanager
    async def running(cls, *words: str) -> AsyncIterator[Terminal]:
        """Run a program whose output is a terminal of its own, as long as the block runs.

        It hears Ctrl-C even where the tests were started in the background, which do not.
        """
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *words, stdout=theirs, env={**os.environ, "TERM": "xterm"}
        )
        os.close(theirs)
        terminal = cls(process)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, terminal._take, ours)
        try:
            yield terminal
        finally:
            loop.remove_reader(ours)
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)

    async def shows(self, text: str) -> bool:
        """Whether that has been written."""
        return text in self.text

    def _take(self, descriptor: int) -> None:
        """Read what there is; the last reader of a terminal gets an error."""
        try:
            content = os.read(descriptor, CHUNK_BYTES)
        except OSError:
            content = b""
        if not content:
            asyncio.get_running_loop().remove_reader(descriptor)
        self.text += content.decode(errors="replace")
