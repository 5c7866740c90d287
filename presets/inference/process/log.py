"""Log lines, one JSON object each, on standard error: a constant event, what varies is a key."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with its traceback under `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        entry |= getattr(record, "keys", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class Log:
    """The lines of one program."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def configure(self, level: str, *, libraries: str = "") -> None:
        """Send these lines and every library's through one door.

        Args:
            level: the least important line that is written.
            libraries: the same for lines of libraries; empty: as for the program's own.
        """
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logging.basicConfig(level=(libraries or level).upper(), handlers=[handler], force=True)
        logging.captureWarnings(capture=True)
        self._logger.setLevel(level.upper())

    def info(self, event: str, **keys: object) -> None:
        """Say that something changed."""
        self._logger.info(event, extra={"keys": keys})

    def warning(
        self, event: str, *, exception: BaseException | None = None, **keys: object
    ) -> None:
        """Say that something went wrong which is tried again, or may be the asker's mistake."""
        self._logger.warning(event, extra={"keys": keys}, exc_info=exception)

    def error(self, event: str, *, exception: BaseException | None = None, **keys: object) -> None:
        """Say that something went wrong for good, with its traceback where there is one."""
        self._logger.error(event, extra={"keys": keys}, exc_info=exception)
