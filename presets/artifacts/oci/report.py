"""What the program tells: JSON lines on standard error, and its last words for the kubelet."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

LIMIT = 4000
"""Bytes of a termination message that the kubelet keeps, and a little less."""


def info(event: str, **keys: object) -> None:
    """Say that something happened; never with a password or a token."""
    _line("info", event, keys)


def error(event: str, **keys: object) -> None:
    """Say that something went wrong."""
    _line("error", event, keys)


def leave_note(path: Path, text: str) -> None:
    """Write last words where the kubelet looks for them, if it looks."""
    if path.exists():
        path.write_bytes(text.encode()[:LIMIT])


def _line(level: str, event: str, keys: dict[str, object]) -> None:
    entry = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "event": event, **keys}
    sys.stderr.write(f"{json.dumps(entry, default=str)}\n")
    sys.stderr.flush()
