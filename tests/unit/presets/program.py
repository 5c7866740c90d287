"""The inference server as its image runs it: a process of its own, in its own environment."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.cache import cache_folder

SERVER = Path("presets/inference/server.py").absolute()
START_SECONDS = 90
"""Generous: torch without byte code on a busy machine."""

LOOPBACK = {"HOST": "127.0.0.1", "PORT": "0"}

Line = dict[str, object]


def inference_python() -> Path:
    """The interpreter that has torch: $KAITO_INFERENCE_PYTHON, else the one in the cache."""
    default = cache_folder() / "inference" / "bin" / "python"
    return Path(os.environ.get("KAITO_INFERENCE_PYTHON") or default)


@dataclass
class Program:
    """One running server; its log lines arrive in a queue."""

    process: subprocess.Popen[str]
    lines: queue.Queue[Line | None] = field(default_factory=queue.Queue)
    url: str = ""

    @classmethod
    def start(cls, model: Path, *flags: str) -> Program:
        """Start on a free loopback port, and return once that port is bound."""
        program = cls.spawn(f"--pretrained-model-name-or-path={model}", *flags)
        program.url = f"http://127.0.0.1:{program.wait_for('server.listening')['port']}"
        return program

    @classmethod
    def spawn(
        cls, *flags: str, prefix: Sequence[str] = (), environment: Mapping[str, str] = LOOPBACK
    ) -> Program:
        """Start without waiting for anything; `prefix` is a command that runs the command."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(
            [*prefix, str(inference_python()), str(SERVER), *flags],
            env=inherited | LOOPBACK | dict(environment),
            stderr=subprocess.PIPE,
            text=True,
        )
        program = cls(process)
        threading.Thread(target=program.read, daemon=True).start()
        return program

    def read(self) -> None:
        """Parse standard error to its end; None follows the last line."""
        assert self.process.stderr is not None
        for text in self.process.stderr:
            line = json.loads(text) if text.startswith("{") else {"event": "text", "text": text}
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, event: str) -> Line:
        """The next line of that event; an AssertionError if the process ends before it."""
        seen: list[Line] = []
        while (line := self.lines.get(timeout=START_SECONDS)) is not None:
            seen.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"ended without {event}: {seen}")

    def rest(self) -> list[Line]:
        """All lines up to the process's end."""
        lines: list[Line] = []
        while (line := self.lines.get(timeout=START_SECONDS)) is not None:
            lines.append(line)
        return lines

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def close(self) -> None:
        """End the process if it still runs."""
        self.process.kill()
        self.process.wait(START_SECONDS)
        if self.process.stderr is not None:
            self.process.stderr.close()
